"""Reading a translated dataset again: every hash, every picture, every label, against its manifest."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from itertools import islice
from pathlib import Path, PurePath
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hflow.datasets.carried import carried_faults
from hflow.datasets.images import decode_ids, open_image, open_rgb
from hflow.datasets.keys import check_path
from hflow.datasets.manifest import EXPORTED, MANIFEST, PSEUDO_LABELLED, SUMS, read_manifest
from hflow.datasets.manifest_rows import ManifestRows
from hflow.datasets.shards import SHARDS, read_rows
from hflow.datasets.whole_png import whole_rgb_png
from hflow.foundation.ahead import map_ahead
from hflow.foundation.errors import AwayError, HflowError
from hflow.foundation.labels import IGNORE
from hflow.foundation.nearby import Nearby, nearby
from hflow.foundation.progress import progress
from hflow.foundation.stores import Store

__all__ = ["Fault", "Verification", "verify"]

COMPARED = ("source_path", "source_sha256", "style", "width", "height", "ssim", "consistency", "batch")
ASKED = (
    *("key", "split", "shard", "image_path", "label_path", *COMPARED),
    *("image_sha256", "truth_sha256", "label_sha256", "label_train_ids_sha256", "carried_sha256"),
)
"""Of the manifest, what a frame is held against."""

AHEAD = 64
TOGETHER = 16
"""So many frames are handed to a thread at once, since handing one over takes longer than looking at a small one."""


@dataclass(frozen=True)
class Fault:
    """Where something is wrong, relative to the dataset's folder, and what."""

    place: str
    what: str

    def __str__(self) -> str:
        return f"{self.place}: {self.what}"


@dataclass(frozen=True)
class Verification:
    """What was found.

    Attributes:
        given, translated, rejected: how many frames the manifest tells of.
        faults: all that is wrong; empty where the dataset is whole.
    """

    given: int
    translated: int
    rejected: int
    faults: list[Fault]


def verify(folder: Path | Store, *, workers: int = 4) -> Verification:
    """Read a dataset that `translate` wrote, of shards or of single images, and find what is not as it was written.

    Of an export, whose files are its layout's, the hash of every file is compared. Of a store every file is brought
    once, a shard or some images at a time.

    Args:
        folder: holds manifest.parquet.
        workers: threads that decode.

    Raises:
        HflowError: there is no manifest, so that nothing can be verified, or a store can't be read.
    """
    with nearby(folder) as files, files.at_hand([MANIFEST, SUMS, EXPORTED]):
        if not (files.folder / MANIFEST).is_file():
            raise HflowError(f"{folder}/{MANIFEST} is missing: {folder} is not a dataset that hflow translated")
        try:
            manifest = read_manifest(files.folder / MANIFEST)
        except HflowError as error:
            sums = [fault for fault in _check_sums(files) if fault.place != MANIFEST]
            return Verification(0, 0, 0, [Fault(MANIFEST, str(error)), *sums])
        rows, frames = manifest.rows, manifest.frames
        faults: list[Fault] = []
        if not (files.folder / EXPORTED).is_file():
            check = _FrameCheck(None if manifest.classes is None else len(manifest.classes))
            with (
                ThreadPoolExecutor(workers) as pool,
                progress("verify", len(frames), unit="frames") as advance,
            ):
                seen = _frames(files, frames.select(*ASKED), faults)
                some = iter(lambda: list(islice(seen, TOGETHER)), [])
                for checked in map_ahead(pool, check, some, AHEAD // TOGETHER + 1):
                    for frame, found, pairs in checked:
                        faults += found
                        if pairs is not None:
                            faults += check.agree(frame.place, pairs)
                    advance(len(checked))
            if any(frames.occurring("shard")) and not (files.folder / SUMS).is_file():
                faults.append(Fault(SUMS, "is missing"))
        faults = [*_check_sums(files), *_check_manifest(rows), *faults]
        return Verification(len(rows), len(frames), len(rows) - len(frames), faults)


@dataclass(frozen=True)
class _Frame:
    """A frame as the manifest tells of it and as it was found: encoded bytes by column, other columns as they are,
    and the files carried with it."""

    place: str
    said: Mapping[str, Any]
    images: Mapping[str, bytes | None]
    columns: Mapping[str, Any]
    carried: Sequence[Mapping[str, Any]] | None = None


class _FrameCheck:
    """What is wrong with single frames; remembers which train id each raw id stands for."""

    def __init__(self, classes: int | None):
        self.classes = classes
        self._train_ids: dict[int, int] = {}

    def __call__(self, frames: Iterable[_Frame]) -> list[tuple[_Frame, list[Fault], np.ndarray | None]]:
        """Each frame, its faults, and which pairs of raw id and train id it has, (N, 2)."""
        return [self._check(frame) for frame in frames]

    def _check(self, frame: _Frame) -> tuple[_Frame, list[Fault], np.ndarray | None]:
        faults: list[str] = []
        for name, content in frame.images.items():
            wanted = frame.said[f"{name}_sha256"]
            if (content is None) != (wanted is None):
                faults.append(f"{name} is {'missing' if content is None else 'there, though the manifest has none'}")
            elif content is not None and sha256(content).hexdigest() != wanted:
                faults.append(f"{name} has other bytes than the manifest says")
        faults += [
            f"{name} is {frame.columns[name]!r}, the manifest says {frame.said[name]!r}"
            for name in COMPARED
            if name in frame.columns and frame.columns[name] != frame.said[name]
        ]
        faults += carried_faults(frame.carried, frame.said["carried_sha256"])
        size = (frame.said["width"], frame.said["height"])
        ids: dict[str, np.ndarray] = {}
        for name, content in frame.images.items():
            if content is None:
                continue
            try:
                if name in ("image", "truth"):
                    found = whole_rgb_png(content) or open_rgb(content).size
                elif not frame.columns:
                    # The label of a single image is carried as it came, and may have colours and transparent pixels.
                    found = open_image(content).size
                else:
                    ids[name] = decode_ids(content)
                    found = ids[name].shape[1], ids[name].shape[0]
            except HflowError as error:
                faults.append(f"{name} {error}")
                continue
            if found != size:
                faults.append(f"{name} is {found[0]}x{found[1]}, the manifest says {size[0]}x{size[1]}")
        pairs = self._pairs(ids, faults)
        return frame, [Fault(frame.place, what) for what in faults], pairs

    def _pairs(self, labels: Mapping[str, np.ndarray], faults: list[str]) -> np.ndarray | None:
        train_ids, ids = labels.get("label_train_ids"), labels.get("label")
        if train_ids is None:
            return None
        present = np.flatnonzero(np.bincount(train_ids.ravel(), minlength=256))
        unknown = [] if self.classes is None else [int(i) for i in present if self.classes <= i < IGNORE]
        if unknown:
            faults.append(f"label_train_ids has the value {unknown[0]}, and there are {self.classes} classes")
        if ids is None or ids.shape != train_ids.shape:
            return None
        both = np.flatnonzero(np.bincount(ids.ravel().astype(np.int64) * 256 + train_ids.ravel(), minlength=1 << 16))
        return np.stack([both // 256, both % 256], axis=1)

    def agree(self, place: str, pairs: np.ndarray) -> Iterator[Fault]:
        """Faults where a raw id stands for another train id than in the frames before."""
        for raw, train in pairs.tolist():
            before = self._train_ids.setdefault(raw, train)
            if before != train:
                yield Fault(
                    place,
                    f"label and label_train_ids don't belong together: the id {raw} is {train} here, else {before}",
                )


def _frames(files: Nearby, frames: ManifestRows, faults: list[Fault]) -> Iterator[_Frame]:
    """Every frame that the manifest names and that is there; what is not becomes a fault."""
    single = frames.where(pc.equal(pc.fill_null(frames.column("shard"), ""), ""))
    for first in range(0, len(single), AHEAD):
        some = list(single[first : first + AHEAD])
        with files.at_hand([place for row in some for place in _places(row) if place]):
            for row in some:
                yield from _single(files.folder, row, faults)
    for (split, shard), rows in frames.by("split", "shard"):
        if not shard:
            continue
        name, missing = f"{split}/{shard}", {row["key"]: row for row in rows}
        try:
            check_path(name)
            with files.at_hand([name]):
                for row in read_rows(files.folder / name):
                    said = missing.pop(row["key"], None)
                    place = f"{name}: {row['key']}"
                    if said is None:
                        faults.append(Fault(place, "is there twice, or the manifest does not know it"))
                        continue
                    images = {column: row[column] and row[column]["bytes"] for column in _IMAGES}
                    yield _Frame(place, said, images, row, row["carried"])
        except AwayError:
            raise
        except HflowError as error:
            faults.append(Fault(name, str(error)))
        except (KeyError, TypeError):
            faults.append(Fault(name, "is not a shard of translated frames"))
        faults += [Fault(f"{name}: {key}", "is missing, though the manifest names it") for key in missing]


_IMAGES = ("image", "truth", "label", "label_train_ids")


def _single(folder: Path, row: Mapping[str, Any], faults: list[Fault]) -> Iterator[_Frame]:
    """A frame that is a file of its own, its label, where there is one, in labels/."""
    place, label = _places(row)
    try:
        check_path(place)
        images: dict[str, bytes | None] = {"image": (folder / place).read_bytes(), "label": None}
        if label:
            check_path(label)
            images["label"] = (folder / label).read_bytes()
    except FileNotFoundError as error:
        faults.append(Fault(Path(error.filename).relative_to(folder).as_posix(), "is missing"))
    except (HflowError, OSError) as error:
        faults.append(Fault(place, str(error)))
    else:
        yield _Frame(place, row, images, {})


def _places(row: Mapping[str, Any]) -> tuple[str, str | None]:
    """Where the image of a frame of its own lies, and its label, if it has one."""
    label = row["label_path"] or f"labels/{row['key']}.png"
    return row["image_path"] or row["source_path"], label if row["label_sha256"] else None


def _check_sums(files: Nearby) -> Iterator[Fault]:
    """Faults of whole files, by SHA256SUMS, and shards that it does not name."""
    folder = files.folder
    if not (folder / SUMS).is_file():
        if (folder / EXPORTED).is_file():
            yield Fault(SUMS, "is missing")
        return
    unnamed = {MANIFEST} | {name for split in ("train", "val") for name in files.named(f"{split}/{SHARDS}")}
    # Lines end with a newline alone: for splitlines, and for a file read as text, other bytes end one too.
    with (folder / SUMS).open("rb") as lines:
        for line in lines:
            digest, _, name = line.decode("utf-8", errors="replace").removesuffix("\n").partition("  ")
            try:
                check_path(name)
                if files.sha256(name) != digest:
                    yield Fault(name, f"has other bytes than {SUMS} says")
            except FileNotFoundError:
                yield Fault(name, "is missing")
            except AwayError:
                raise
            except (HflowError, OSError) as error:
                yield Fault(SUMS, str(error))
            unnamed.discard(name)
    for name in sorted(unnamed):
        yield Fault(name, f"is not named in {SUMS}")


def _check_manifest(rows: ManifestRows) -> Iterator[Fault]:
    if rows.distinct("split", "key") < len(rows):
        for (split, key), count in rows.counts("split", "key"):
            if count > 1:
                yield Fault(MANIFEST, f"has {count} rows for {key!r} of {split!r}")
    known = pc.is_in(rows.column("status"), value_set=pa.array(["translated", "rejected", PSEUDO_LABELLED]))
    unexplained = pc.and_(
        pc.equal(rows.column("status"), "rejected"), pc.equal(pc.fill_null(rows.column("reason"), ""), "")
    )
    for row in rows.where(pc.or_kleene(pc.invert(known), unexplained)).select("key", "status"):
        if row["status"] == "rejected":
            yield Fault(MANIFEST, f"has no reason for the rejection of {row['key']!r}")
        else:
            yield Fault(MANIFEST, f"says of {row['key']!r} that it is {row['status']!r}")
    shards = {(split, shard) for (split, shard), _ in rows.counts("split", "shard") if shard}
    for split, name in sorted(shards):
        if not PurePath(name).match(SHARDS):
            yield Fault(MANIFEST, f"names a shard {split}/{name}, and readers pass over what is not {SHARDS}")
    if rows.distinct("model_sha256", "seed") > 1:
        yield Fault(MANIFEST, "has rows of several models or seeds")
