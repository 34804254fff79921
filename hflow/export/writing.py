"""A dataset in the layouts of other tools: resumable, whole or absent, with a card that tells of it."""

import io
import json
import tarfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from typing import Any

from hflow.datasets.keys import check_path
from hflow.datasets.manifest import (
    CARD,
    CROISSANT,
    EXPORTED,
    ID2LABEL,
    MANIFEST,
    SUMS,
    Manifest,
    id2label_bytes,
    manifest_bytes,
    read_manifest,
)
from hflow.export.base import Frame, Layout
from hflow.export.card import export_card
from hflow.export.cityscapes_train_ids import CityscapesTrainIds
from hflow.export.croissant import croissant, exact_patterns
from hflow.export.description import Description, TaskScore
from hflow.export.destination import Destination, Note, open_destination
from hflow.export.frames import FORMATS, FrameReader
from hflow.export.instances import INSTANCES
from hflow.export.layouts import LAYOUTS
from hflow.export.selection import Selection
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
    if not given.frames or not all(row["shard"] for row in given.frames):
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
    names = LAYOUTS[layout].names([(row["split"], row["key"]) for row in manifest.frames])
    known = {(row["split"], row["key"]): row for row in given.frames}
    if LAYOUTS[layout].objects:
        _check_instances(manifest, layout)
    objects_of = manifest.classes if LAYOUTS[layout].objects else None
    reader = FrameReader(known, names, image_format, selection, official, objects_of)
    with open_destination(out, mark) as destination:
        already = destination.already()
        if already:
            return {"frames": already["frames"], "out": str(out)}
        staging = destination.staging
        notes = _write_frames(files, destination, manifest.frames, LAYOUTS[layout], reader, workers)
        frames = [frame for note in notes for frame in note["frames"]]
        sums = {name: digest for note in notes for name, digest in note["files"].items()}
        classes = TRAIN_CLASSES if official else manifest.classes
        pixels: Counter[str] = Counter()
        for frame in frames:
            pixels.update(frame["pixels"])
        told = Description(manifest.rows, pixels, classes, origins, scores)
        closing = LAYOUTS[layout].closing(frames, classes or ())
        card = export_card(told, layout, LAYOUTS[layout], image_format, selection.told, mark)
        closing[CARD] = card.encode()
        if classes and pixels:
            closing[ID2LABEL] = id2label_bytes(classes)
        closing[MANIFEST] = (
            manifest_bytes(manifest.rows, manifest.classes)
            if selection.told
            else (files.folder / MANIFEST).read_bytes()
        )
        said = {
            "fingerprint": mark,
            "layout": layout,
            "format": image_format,
            "selection": selection.told,
            "frames": len(frames),
            "files": len(sums),
        }
        closing[EXPORTED] = (json.dumps(said, indent=2) + "\n").encode()
        single = {*closing, *(sums if LAYOUTS[layout].archive else ())}
        sums |= {name: sha256(content).hexdigest() for name, content in closing.items()}
        sets, archives = _sets(LAYOUTS[layout], notes)
        closing[CROISSANT] = croissant(told, sums, single=single, sets=sets, mark=mark, archives=archives)
        sums[CROISSANT] = sha256(closing[CROISSANT]).hexdigest()
        for name, content in closing.items():
            (staging / name).parent.mkdir(exist_ok=True)
            (staging / name).write_bytes(content)
        (staging / SUMS).write_text("".join(f"{digest}  {name}\n" for name, digest in sorted(sums.items())))
        destination.publish()
    return {"frames": len(frames), "out": str(out)}


def _sets(
    layout: Layout, notes: Sequence[Mapping[str, Any]]
) -> tuple[Mapping[str, Sequence[str]], dict[str, list[str]]]:
    """The sets of files that the metadata tells of, and what is in each archive."""
    if not layout.archive:
        return layout.sets, {}
    images = exact_patterns(frame["files"][0] for note in notes for frame in note["frames"])
    archives = {
        archive: [n for frame in note["frames"] for n in frame["files"]] for note in notes for archive in note["files"]
    }
    return {"images": images, **layout.sets}, archives


def _check_instances(manifest: Manifest, layout: str) -> None:
    """See that objects can be told of, before anything is written."""
    if not manifest.classes:
        raise HflowError(f"{manifest.path} names no classes, which objects would be of: translate again")
    for row in manifest.frames:
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
    rows: Sequence[dict[str, Any]],
    layout: Layout,
    reader: FrameReader,
    workers: int,
) -> list[Note]:
    """Every shard's frames as files; gives for each shard its `files` with hashes and its `frames`."""
    by_shard: dict[tuple[str, str], set[str]] = {}
    for row in rows:
        by_shard.setdefault((row["split"], row["shard"]), set()).add(row["key"])
    numbers: Counter[str] = Counter()
    notes, names = list[Note](), dict[str, str]()
    with ThreadPoolExecutor(workers) as pool, progress("export", len(rows), unit="frames") as advance:
        for (split, shard), keys in sorted(by_shard.items()):
            check_path(f"{split}/{shard}")
            note = destination.finished(f"{split}-{shard}")
            if note is None:
                with files.at_hand([f"{split}/{shard}"]):
                    frames = reader.read(files.folder / split / shard, split, keys, pool)
                    note = _write_shard(destination.staging, layout, frames, split, numbers[split])
                destination.keep(f"{split}-{shard}", note)
            numbers[split] += 1
            for frame in note["frames"]:
                for name in frame["files"]:
                    if name in names:
                        raise HflowError(f"{names[name]!r} and {frame['facts']['key']!r} would both become {name}")
                    names[name] = frame["facts"]["key"]
            notes.append(note)
            advance(len(keys))
    return notes


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
        with tarfile.open(staging / name, "w", format=tarfile.PAX_FORMAT) as archive:
            for member, content in files():
                # Without time and owner: the same files give the same bytes.
                entry = tarfile.TarInfo(member)
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content))
        written[name] = sha256_file(staging / name)
    else:
        for name, content in files():
            place = staging / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
            written[name] = sha256(content).hexdigest()
    return {"files": written, "frames": told}
