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

import numpy as np

from hflow.datasets.carried import carried_faults
from hflow.datasets.images import decode_ids, open_rgb
from hflow.datasets.keys import check_key, check_path
from hflow.datasets.manifest import EXPORTED, ID2LABEL, MANIFEST, SUMS, id2label_bytes, read_manifest
from hflow.datasets.shards import read_rows
from hflow.export.card import export_card
from hflow.export.cityscapes_train_ids import CityscapesTrainIds
from hflow.export.layouts import LAYOUTS, Frame, FrameKey, Layout
from hflow.foundation.atomic_files import writable, write_json
from hflow.foundation.code_fingerprint import code_fingerprint
from hflow.foundation.errors import HflowError
from hflow.foundation.hashes import fingerprint, sha256_file
from hflow.foundation.labels import IGNORE, TRAIN_CLASSES
from hflow.foundation.locks import exclusive
from hflow.foundation.progress import progress

__all__ = ["FORMATS", "export"]

FORMATS: Mapping[str, tuple[str, str, Mapping[str, Any]]] = {
    "png": (".png", "PNG", {}),
    "jpeg": (".jpg", "JPEG", {"quality": 95, "subsampling": 0}),
    "webp": (".webp", "WEBP", {"quality": 95}),
}
"""By name: the suffix, Pillow's name, and the quality that loses least; labels are PNG always."""

DONE = ".finished"
FACTS = ("key", "split", "source_path", "source_sha256", "style", "ssim", "consistency")


def export(
    dataset: Path,
    out: Path,
    *,
    layout: str,
    image_format: str = "png",
    origins: Mapping[str, str] | None = None,
    workers: int = 4,
) -> dict[str, Any]:
    """Write a dataset in another layout.

    Args:
        dataset: a folder of shards and manifest.parquet: translated frames, or photographs that self-training labelled.
        out: a folder that is missing, or that the same export has written.
        layout: a key of LAYOUTS.
        image_format: a key of FORMATS; png keeps the bytes, the others lose a little.
        origins: for the card, what it was made from: a name and its licence each.
        workers: threads that encode.

    Returns:
        How many frames there are, and where.

    Raises:
        HflowError: the dataset is not whole, two frames would get one name, `out` holds something else, or the layout
            is for tools that read the ids of Cityscapes, and the labels have others.
    """
    manifest = read_manifest(dataset / MANIFEST)
    images = manifest.frames
    if not images or not all(row["shard"] for row in images):
        raise HflowError(
            f"{dataset} has no shards of translated frames: export a folder that the stage translate wrote"
        )
    train_ids = CityscapesTrainIds(manifest.classes, layout) if LAYOUTS[layout].official else None
    origins = origins or {}
    mark = fingerprint(
        [code_fingerprint(export), sha256_file(dataset / MANIFEST), layout, image_format, sorted(origins.items())]
    )
    with exclusive(out), writable(out):
        if out.exists():
            return _there_already(out, mark)
        staging = out.with_name(f".{out.name}.export-{mark[:16]}")
        for stale in out.parent.glob(f".{glob.escape(out.name)}.export-*"):
            if stale != staging:
                shutil.rmtree(stale)
        (staging / DONE).mkdir(parents=True, exist_ok=True)
        notes = _write_frames(dataset, staging, images, LAYOUTS[layout], image_format, train_ids, workers)
        frames = [frame for note in notes for frame in note["frames"]]
        sums = {name: digest for note in notes for name, digest in note["files"].items()}
        classes = TRAIN_CLASSES if train_ids else manifest.classes
        closing = LAYOUTS[layout].closing(frames, classes or ())
        card = export_card(manifest.rows, frames, classes, layout, image_format, origins, mark)
        closing["README.md"] = card.encode()
        if classes and any(frame["pixels"] for frame in frames):
            closing[ID2LABEL] = id2label_bytes(classes)
        closing[MANIFEST] = (dataset / MANIFEST).read_bytes()
        said = {
            "fingerprint": mark,
            "layout": layout,
            "format": image_format,
            "frames": len(frames),
            "files": len(sums),
        }
        closing[EXPORTED] = (json.dumps(said, indent=2) + "\n").encode()
        for name, content in closing.items():
            (staging / name).write_bytes(content)
            sums[name] = sha256(content).hexdigest()
        (staging / SUMS).write_text("".join(f"{digest}  {name}\n" for name, digest in sorted(sums.items())))
        shutil.rmtree(staging / DONE)
        os.sync()
        staging.rename(out)
    return {"frames": len(frames), "out": str(out)}


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
    image_format: str,
    official: CityscapesTrainIds | None,
    workers: int,
) -> list[dict[str, Any]]:
    """Every shard's frames as files; gives for each shard its `files` with hashes and its `frames`."""
    by_shard: dict[tuple[str, str], dict[str, dict[str, Any]]] = {}
    for row in rows:
        by_shard.setdefault((row["split"], row["shard"]), {})[row["key"]] = row
    named = layout.names([(row["split"], row["key"]) for row in rows])
    numbers: Counter[str] = Counter()
    notes, names = [], dict[str, str]()
    with ThreadPoolExecutor(workers) as pool, progress("export", len(rows), unit="frames") as advance:
        for (split, shard), wanted in sorted(by_shard.items()):
            check_path(f"{split}/{shard}")
            marker = staging / DONE / f"{split}-{shard}.json"
            note = _finished(staging, marker)
            if note is None:
                frames = _frames(dataset / split / shard, split, wanted, named, image_format, official, pool)
                note = _write_shard(staging, layout, frames, split, numbers[split])
                write_json(marker, note)
            numbers[split] += 1
            for frame in note["frames"]:
                for name in frame["files"]:
                    if name in names:
                        raise HflowError(f"{names[name]!r} and {frame['facts']['key']!r} would both become {name}")
                    names[name] = frame["facts"]["key"]
            notes.append(note)
            advance(len(wanted))
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


def _frames(
    path: Path,
    split: str,
    wanted: Mapping[str, dict[str, Any]],
    named: Mapping[FrameKey, str],
    image_format: str,
    official: CityscapesTrainIds | None,
    pool: ThreadPoolExecutor,
) -> Iterator[tuple[Frame, dict[str, Any]]]:
    """The frames of a shard with the counts of their labels, checked against the manifest."""
    missing = set(wanted)

    def frame(row: dict[str, Any]) -> tuple[Frame, dict[str, Any]]:
        said = wanted.get(row["key"])
        check_key(row["key"])
        for name in ("image", "label", "label_train_ids"):
            digest = row[name] and sha256(row[name]["bytes"]).hexdigest()
            if said is None or digest != said[f"{name}_sha256"]:
                raise HflowError(f"{path}: {row['key']} is not as the manifest says: see `hflow verify`")
        if said is None or carried_faults(row["carried"], said["carried_sha256"]):
            raise HflowError(f"{path}: {row['key']} is not as the manifest says: see `hflow verify`")
        missing.discard(row["key"])
        label = row["label"] and row["label"]["bytes"]
        train_ids = row["label_train_ids"] and row["label_train_ids"]["bytes"]
        if official and train_ids:
            train_ids = official.of(row["key"], label, train_ids)
        suffix, _, _ = FORMATS[image_format]
        image = _encoded(row["image"]["bytes"], image_format)
        facts = {name: said[name] for name in FACTS} if said else {}
        name = named[split, row["key"]]
        counts = {"pixels": _pixels(train_ids), "raw_ids": _raw_ids(label, train_ids)}
        carried = {file["name"]: (file["suffix"], file["bytes"]) for file in row["carried"] or ()}
        return Frame(row["key"], split, name, image, suffix, label, train_ids, facts, carried), counts

    rows = read_rows(path)
    while group := [row for _, row in zip(range(64), rows, strict=False)]:
        yield from pool.map(frame, group)
    if missing:
        raise HflowError(f"{path} has no frame {min(missing)!r}, though the manifest names it: see `hflow verify`")


def _write_shard(
    staging: Path, layout: Layout, frames: Iterator[tuple[Frame, dict[str, Any]]], split: str, number: int
) -> dict[str, Any]:
    written: dict[str, str] = {}
    told: list[dict[str, Any]] = []

    def files() -> Iterator[tuple[str, bytes]]:
        for frame, counts in frames:
            made = layout.files(frame)
            told.append({"files": list(made), **counts, "facts": frame.facts})
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


def _encoded(png: bytes, image_format: str) -> bytes:
    if image_format == "png":
        return png
    _, name, options = FORMATS[image_format]
    buffer = io.BytesIO()
    open_rgb(png).save(buffer, name, **options)
    return buffer.getvalue()


def _pixels(train_ids: bytes | None) -> dict[str, int]:
    if train_ids is None:
        return {}
    counts = np.bincount(decode_ids(train_ids).ravel(), minlength=256)[:IGNORE]
    return {str(i): int(counts[i]) for i in np.flatnonzero(counts)}


def _raw_ids(label: bytes | None, train_ids: bytes | None) -> dict[str, int]:
    """The train id of each raw id of a label that has one."""
    if label is None or train_ids is None:
        return {}
    pairs = np.unique(np.stack([decode_ids(label).ravel(), decode_ids(train_ids).ravel()]), axis=1)
    return {str(raw_id): int(train_id) for raw_id, train_id in pairs.T if train_id != IGNORE}
