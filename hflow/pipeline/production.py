"""A dataset made by a registered version: its card names the version, and the version's description the dataset."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hflow.datasets.manifest import CARD, MANIFEST, read_manifest
from hflow.foundation.atomic_files import write_text
from hflow.foundation.hashes import sha256_file
from hflow.foundation.params import TrackingParams

__all__ = ["note_production"]


def note_production(params: TrackingParams, model: str, frames: Path, out: Path, counts: Mapping[str, Any]) -> None:
    """Write the card of a translated folder, and note the dataset in the registry.

    Args:
        params: where MLflow is.
        model: models:/NAME/VERSION, which translated.
        frames: what was translated.
        out: the translated folder, whose manifest's hash is the dataset's version.
        counts: what `translate_folder` gives.

    Raises:
        HflowError: MLflow can't be reached, or does not take it; the card is written all the same.
    """
    version = sha256_file(out / MANIFEST)
    first = read_manifest(out / MANIFEST, fill=True).rows[0]
    numbers = f"{counts['given']} given, {counts['translated']} translated, {counts['rejected']} rejected"
    ssim = f"mean SSIM to the source {counts['ssim']:.4f}"
    lines = [
        "# Translated frames",
        "",
        f"Frames of {frames}, translated by hflow; labels are copied as they were.",
        "",
        f"- frames: {numbers}; {ssim}",
        f"- model: {model}, weights and styles {first['model_sha256']}",
        f"- this dataset: a row for every frame given, with hashes, in {MANIFEST}, sha256 {version}",
    ]
    write_text(out / CARD, "\n".join(lines) + "\n")

    from hflow.registry.produced import note_dataset

    note_dataset(params, model, str(out), f"sha256 {version[:12]}, {numbers}, {ssim}")
