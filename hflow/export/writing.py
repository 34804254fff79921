"""A dataset in the layouts of other tools: resumable, whole or absent, with a card that tells of it."""

import json
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyarrow as pa

from hflow.datasets.keys import check_path
from hflow.datasets.manifest import (
    CARD,
    CROISSANT,
    EXPORTED,
    ID2LABEL,
    MANIFEST,
    SUMS,
    Manifest,
    ManifestWriter,
    id2label_bytes,
    read_manifest,
)
from hflow.datasets.manifest_rows import ManifestRows
from hflow.export.base import Frame, FrameKey, Layout
from hflow.export.card import export_card
from hflow.export.cityscapes_train_ids import CityscapesTrainIds
from hflow.export.croissant import croissant
from hflow.export.description import Description, TaskScore
from hflow.export.destination import Destination, open_destination
from hflow.export.frames import ASKED, FORMATS, FrameReader
from hflow.export.instances import INSTANCES
from hflow.export.layouts import LAYOUTS
from hflow.export.selection import Selection
from hflow.export.tar_files import write_tar
from hflow.export.written import Written
from hflow.foundation.code_fingerprint import code_fingerprint
from hflow.foundation.errors import HflowError
from hflow.foundation.hashes import fingerprint, sha256_file
from hflow.foundation.labels import TRAIN_CLASSES
from hflow.foundation.nearby import Nearby, nearby
from hflow.foundation.progress import progress
from hflow.foundation.stores import Store

__all__ = ["FORMATS", "export"]


def export(
    dataset: Path | Store,
    out: Path | Store,
    *,
    layout: str,
    image_format: str = "png",
    selection: Selection | None = None,
    origins: Mapping[str, str] | None = None,
    scores: Mapping[str, TaskScore] | None = None,
    workers: int = 4,
) -> dict[str, Any]:
    """Write a dataset in another layout.

    Either folder may lie in a store: a shard of it is here at a time, in the system's folder for temporary files.
    Nobody else may write to `out` meanwhile.

    Args:
        dataset: a folder of shards and manifest.parquet: translated frames, or photographs that self-training labelled.
        out: a folder that is missing, or that the same export has written.
        layout: a key of LAYOUTS.
        image_format: a key of FORMATS; png keeps the bytes, the others lose a little.
        selection: which frames, at which size; None is all as they are.
        origins: for the card, what it was made from: a name and its licence each.
        scores: for the card, those of segmenters that were trained on the set and on others, by the set's name.
        workers: threads that encode.

    Returns:
        How many frames there are, and where.

    Raises:
        HflowError: the dataset is not whole, two frames would get one name, nothing is selected, `out` holds something
            else, the layout is for tools that read the ids of Cityscapes, and the labels have others, or it tells of
            objects, and no instances are carried.
    """
    with nearby(dataset) as files, files.at_hand([MANIFEST]):
        if not (files.folder / MANIFEST).is_file():
            raise HflowError(f"{dataset}/{MANIFEST} is missing: {dataset} is not a dataset that hflow translated")
        return _export(
            dataset, files, out, layout, image_format, selection or Selection(), origins or {}, scores or {}, workers
        )


def _export(
    dataset: Path | Store,
    files: Nearby,
    out: Path | Store,
    layout: str,
    image_format: str,
    selection: Selection,
    origins: Mapping[str, str],
    scores: Mapping[str, TaskScore],
    workers: int,
) -> dict[str, Any]:
    given = read_manifest(files.folder / MANIFEST)
    if not given.frames or not all(given.frames.occurring("shard")):
        raise HflowError(
            f"{dataset} has no shards of translated frames: export a folder that the stage translate wrote"
        )
    manifest = selection.manifest(given)
    official = CityscapesTrainIds(manifest.classes, layout) if LAYOUTS[layout].official else None
    mark = fingerprint(
        [
            code_fingerprint(export),
            sha256_file(files.folder / MANIFEST),
            layout,
            image_format,
            selection.told,
            sorted(origins.items()),
            {name: [score.miou, sorted(score.iou.items())] for name, score in scores.items()},
        ]
    )
    if LAYOUTS[layout].objects:
        _check_instances(manifest, layout)
    objects_of = manifest.classes if LAYOUTS[layout].objects else None
    reader = FrameReader(image_format, selection, official, objects_of)
    with open_destination(out, mark) as destination:
        already = destination.already()
        if already:
            return {"frames": already["frames"], "out": str(out)}
        staging = destination.staging
        written = Written(staging, LAYOUTS[layout].sets, archived=bool(LAYOUTS[layout].archive))
        _write_frames(files, destination, written, given, manifest, LAYOUTS[layout], reader, workers)
        classes = TRAIN_CLASSES if official else manifest.classes
        told = Description(manifest.rows, written.pixels, classes, origins, scores)
        closing = LAYOUTS[layout].closing(written, classes or (), staging)
        card = export_card(told, layout, LAYOUTS[layout], image_format, selection.told, mark)
        closing += _put(staging, CARD, card.encode())
        if classes and written.pixels:
            closing += _put(staging, ID2LABEL, id2label_bytes(classes))
        closing.append(MANIFEST)
        if selection.told:
            with ManifestWriter(staging / MANIFEST, manifest.classes) as writer:
                writer.write_all(manifest.rows)
        else:
            shutil.copyfile(files.folder / MANIFEST, staging / MANIFEST)
        said = {
            "fingerprint": mark,
            "layout": layout,
            "format": image_format,
            "selection": selection.told,
            "frames": written.frames,
            "files": written.files,
        }
        closing += _put(staging, EXPORTED, (json.dumps(said, indent=2) + "\n").encode())
        hashes = {name: sha256_file(staging / name) for name in closing}
        archives = dict(written.sums()) if LAYOUTS[layout].archive else {}
        suffixes = written.suffixes_with(closing)
        metadata = croissant(
            told, hashes | archives, sets=written.sets, suffixes=suffixes, mark=mark, archives=archives
        )
        hashes |= {name: sha256_file(staging / name) for name in _put(staging, CROISSANT, metadata)}
        with (staging / SUMS).open("w", encoding="utf-8") as file:
            file.writelines(f"{digest}  {name}\n" for name, digest in written.sums(hashes))
        destination.publish()
    return {"frames": written.frames, "out": str(out)}


def _put(staging: Path, name: str, content: bytes) -> list[str]:
    (staging / name).write_bytes(content)
    return [name]


def _check_instances(manifest: Manifest, layout: str) -> None:
    """See that objects can be told of, before anything is written."""
    if not manifest.classes:
        raise HflowError(f"{manifest.path} names no classes, which objects would be of: translate again")
    for row in manifest.frames.select("key", "carried_sha256", "label_train_ids_sha256"):
        if not any(file["name"] == INSTANCES for file in row["carried_sha256"] or ()):
            raise HflowError(
                f"{row['key']!r} carries no instances, of which the layout {layout} tells: name them in params.yaml, "
                "data.source.carry: [instances], then `hflow prepare` and `hflow translate` again"
            )
        if row["label_train_ids_sha256"] is None:
            raise HflowError(f"{row['key']!r} has no label, without which its objects have no class")


def _write_frames(
    files: Nearby,
    destination: Destination,
    written: Written,
    given: Manifest,
    manifest: Manifest,
    layout: Layout,
    reader: FrameReader,
    workers: int,
) -> None:
    """Every shard's frames as files, and `written` told of each."""
    numbers: Counter[str] = Counter()
    all_keys = dict(given.frames.select("split", "shard", "key").by("split", "shard"))
    named = _named(manifest.frames, layout).select("shard", "name", *ASKED)
    shards = sorted(named.by("split", "shard"), key=lambda shard: shard[0])
    with ThreadPoolExecutor(workers) as pool, progress("export", len(manifest.frames), unit="frames") as advance:
        for (split, shard), rows in shards:
            check_path(f"{split}/{shard}")
            note = destination.finished(f"{split}-{shard}")
            if note is None:
                by_key = {row["key"]: row for row in rows}
                known = {row["key"] for row in all_keys[split, shard]}
                with files.at_hand([f"{split}/{shard}"]):
                    frames = reader.read(files.folder / split / shard, by_key, known, pool)
                    note = _write_shard(destination.staging, layout, frames, split, numbers[split])
                destination.keep(f"{split}-{shard}", note)
            numbers[split] += 1
            written.add(note)
            advance(len(rows))


def _named(frames: ManifestRows, layout: Layout) -> ManifestRows:
    """The frames with the column `name`, what their files are called after."""
    if layout.names is None:
        return frames.with_column("name", frames.column("key").combine_chunks())
    ordered = frames.in_order("split", "key")
    return ordered.with_column("name", pa.array(layout.names(_Keys(ordered)), pa.string()))


class _Keys:
    """Split and key of rows, which can be gone through more than once."""

    def __init__(self, rows: ManifestRows):
        self._rows = rows.select("split", "key")

    def __iter__(self) -> Iterator[FrameKey]:
        return ((row["split"], row["key"]) for row in self._rows)


def _write_shard(
    staging: Path, layout: Layout, frames: Iterator[tuple[Frame, dict[str, Any]]], split: str, number: int
) -> dict[str, Any]:
    written: dict[str, str] = {}
    told: list[dict[str, Any]] = []

    def files() -> Iterator[tuple[str, bytes]]:
        for frame, counts in frames:
            made = layout.files(frame)
            told.append({"files": list(made), **counts, "facts": frame.facts, **layout.notes(frame)})
            yield from made.items()

    if layout.archive:
        name = layout.archive(split, number)
        written[name] = write_tar(staging / name, files())
    else:
        for name, content in files():
            place = staging / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
            written[name] = sha256(content).hexdigest()
    return {"files": written, "frames": told}
