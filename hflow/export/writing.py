"""A dataset in the layouts of other tools: resumable, whole or absent, with a card that tells of it."""

import glob
import io
import json
import os
import shutil
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
from hflow.export.croissant import croissant
from hflow.export.description import Description, TaskScore
from hflow.export.frames import FORMATS, FrameReader
from hflow.export.instances import INSTANCES
from hflow.export.layouts import LAYOUTS
from hflow.export.selection import Selection
from hflow.foundation.atomic_files import writable, write_json
from hflow.foundation.code_fingerprint import code_fingerprint
from hflow.foundation.errors import HflowError
from hflow.foundation.hashes import fingerprint, sha256_file
from hflow.foundation.labels import TRAIN_CLASSES
from hflow.foundation.locks import exclusive
from hflow.foundation.progress import progress

__all__ = ["FORMATS", "export"]

DONE = ".finished"


def export(
    dataset: Path,
    out: Path,
    *,
    layout: str,
    image_format: str = "png",
    selection: Selection | None = None,
    origins: Mapping[str, str] | None = None,
    scores: Mapping[str, TaskScore] | None = None,
    workers: int = 4,
) -> dict[str, Any]:
    """Write a dataset in another layout.

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
    given = read_manifest(dataset / MANIFEST)
    if not given.frames or not all(row["shard"] for row in given.frames):
        raise HflowError(
            f"{dataset} has no shards of translated frames: export a folder that the stage translate wrote"
        )
    selection = selection or Selection()
    manifest = selection.manifest(given)
    official = CityscapesTrainIds(manifest.classes, layout) if LAYOUTS[layout].official else None
    origins, scores = origins or {}, scores or {}
    mark = fingerprint(
        [
            code_fingerprint(export),
            sha256_file(dataset / MANIFEST),
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
    with exclusive(out), writable(out):
        if out.exists():
            return _there_already(out, mark)
        staging = out.with_name(f".{out.name}.export-{mark[:16]}")
        for stale in out.parent.glob(f".{glob.escape(out.name)}.export-*"):
            if stale != staging:
                shutil.rmtree(stale)
        (staging / DONE).mkdir(parents=True, exist_ok=True)
        notes = _write_frames(dataset, staging, manifest.frames, LAYOUTS[layout], reader, workers)
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
            manifest_bytes(manifest.rows, manifest.classes) if selection.told else (dataset / MANIFEST).read_bytes()
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
        closing[CROISSANT] = croissant(told, sums, single=single, sets=LAYOUTS[layout].sets, mark=mark)
        sums[CROISSANT] = sha256(closing[CROISSANT]).hexdigest()
        for name, content in closing.items():
            (staging / name).parent.mkdir(exist_ok=True)
            (staging / name).write_bytes(content)
        (staging / SUMS).write_text("".join(f"{digest}  {name}\n" for name, digest in sorted(sums.items())))
        shutil.rmtree(staging / DONE)
        os.sync()
        staging.rename(out)
    return {"frames": len(frames), "out": str(out)}


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


def _there_already(out: Path, mark: str) -> dict[str, Any]:
    try:
        said = json.loads((out / EXPORTED).read_text(encoding="utf-8"))
        if said["fingerprint"] == mark:
            return {"frames": said["frames"], "out": str(out)}
    except (OSError, ValueError, KeyError, TypeError):
        pass
    raise HflowError(f"{out} holds something else already: name a folder that is not there yet")


def _write_frames(
    dataset: Path,
    staging: Path,
    rows: Sequence[dict[str, Any]],
    layout: Layout,
    reader: FrameReader,
    workers: int,
) -> list[dict[str, Any]]:
    """Every shard's frames as files; gives for each shard its `files` with hashes and its `frames`."""
    by_shard: dict[tuple[str, str], set[str]] = {}
    for row in rows:
        by_shard.setdefault((row["split"], row["shard"]), set()).add(row["key"])
    numbers: Counter[str] = Counter()
    notes, names = [], dict[str, str]()
    with ThreadPoolExecutor(workers) as pool, progress("export", len(rows), unit="frames") as advance:
        for (split, shard), keys in sorted(by_shard.items()):
            check_path(f"{split}/{shard}")
            marker = staging / DONE / f"{split}-{shard}.json"
            note = _finished(staging, marker)
            if note is None:
                frames = reader.read(dataset / split / shard, split, keys, pool)
                note = _write_shard(staging, layout, frames, split, numbers[split])
                write_json(marker, note)
            numbers[split] += 1
            for frame in note["frames"]:
                for name in frame["files"]:
                    if name in names:
                        raise HflowError(f"{names[name]!r} and {frame['facts']['key']!r} would both become {name}")
                    names[name] = frame["facts"]["key"]
            notes.append(note)
            advance(len(keys))
    return notes


def _finished(staging: Path, marker: Path) -> dict[str, Any] | None:
    """What an interrupted export noted of a shard, where its files are still as they were written."""
    try:
        note: dict[str, Any] = json.loads(marker.read_text(encoding="utf-8"))
        if all(sha256_file(staging / name) == digest for name, digest in note["files"].items()):
            return note
    except (OSError, ValueError, KeyError):
        pass
    return None


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
