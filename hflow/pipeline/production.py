"""A dataset made by a registered version: its card names the version, and the version's description the dataset."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any

from hflow.datasets.manifest import CARD, CROISSANT, MANIFEST, read_manifest
from hflow.datasets.manifest_rows import ManifestRows
from hflow.export.card import card
from hflow.export.croissant import croissant, set_suffixes
from hflow.export.description import Description
from hflow.foundation.atomic_files import atomic_path, write_text
from hflow.foundation.hashes import sha256_file
from hflow.foundation.params import Params
from hflow.foundation.stores import Store
from hflow.pipeline.origins import origins

__all__ = ["note_production"]


def note_production(
    params: Params, model: str, frames: Path | Store, out: Path | Store, counts: Mapping[str, Any]
) -> None:
    """Write card and metadata of a translated folder, and note the dataset in the registry.

    Args:
        params: where MLflow is, and what the licences of the frames and of their style are.
        model: models:/NAME/VERSION, which translated.
        frames: what was translated.
        out: the translated folder, whose manifest's hash is the dataset's version.
        counts: what `translate_folder` gives.

    Raises:
        HflowError: a store or MLflow can't be reached, or does not take it; without MLflow card and metadata are
            written all the same.
    """
    if isinstance(out, Store):
        with TemporaryDirectory() as folder:
            here = Path(folder)
            out.bring([MANIFEST], here)
            version = _describe(params, frames, here, counts)
            out.send([name for name in (CARD, CROISSANT) if (here / name).exists()], here)
    else:
        version = _describe(params, frames, out, counts)

    from hflow.registry.produced import note_dataset

    numbers = f"{counts['given']} given, {counts['translated']} translated, {counts['rejected']} rejected"
    ssim = f"mean SSIM to the source {counts['ssim']:.4f}"
    note_dataset(params.tracking, model, str(out), f"sha256 {version[:12]}, {numbers}, {ssim}")


def _describe(params: Params, frames: Path | Store, folder: Path, counts: Mapping[str, Any]) -> str:
    """Write card and metadata beside the manifest, which they are made of; gives its hash."""
    version = sha256_file(folder / MANIFEST)
    rows = read_manifest(folder / MANIFEST, fill=True).rows
    if counts["translated"]:
        told = Description(rows, origins=origins(params, frames))
        note = [f"- this dataset: a row for every frame given, with hashes, in {MANIFEST}, sha256 {version}"]
        text = card(told, note=note)
        write_text(folder / CARD, text)
        sets = _sets(told.present)
        suffixes = set_suffixes(_files(told.present), sets)
        single = {MANIFEST: version, CARD: hashlib.sha256(text.encode()).hexdigest()}
        with atomic_path(folder / CROISSANT) as place:
            place.write_bytes(croissant(told, single, sets=sets, suffixes=suffixes, mark=version))
    return version


def _files(rows: ManifestRows) -> Iterator[str]:
    """The names of the images and labels, as they are asked for."""
    for row in rows.select("image_path", "label_path"):
        yield from filter(None, row.values())


def _sets(rows: ManifestRows) -> dict[str, Sequence[str]]:
    """Images and labels by patterns of their names: by folder where there are labels, else by ending."""
    if any(name.startswith("labels/") for name in _files(rows)):
        return {"images": ["images/*"], "labels": ["labels/*"]}
    return {"images": sorted({f"*{PurePosixPath(name).suffix}" for name in _files(rows)})}
