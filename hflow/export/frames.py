"""The frames of a shard as a layout gets them: checked, in the format and of the size asked for."""

import io
from collections.abc import Iterator, Mapping, Sequence, Set
from concurrent.futures import Executor
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from hflow.datasets.carried import carried_faults
from hflow.datasets.images import decode_ids, open_rgb
from hflow.datasets.keys import check_key
from hflow.datasets.shards import read_rows
from hflow.export.base import TRUTH, Frame
from hflow.export.cityscapes_train_ids import CityscapesTrainIds
from hflow.export.instances import INSTANCES, Objects, read_objects
from hflow.export.selection import Selection
from hflow.foundation.errors import HflowError
from hflow.foundation.labels import IGNORE

__all__ = ["ASKED", "FORMATS", "FrameReader"]

FORMATS: Mapping[str, tuple[str, str, Mapping[str, Any]]] = {
    "png": (".png", "PNG", {}),
    "jpeg": (".jpg", "JPEG", {"quality": 95, "subsampling": 0}),
    "webp": (".webp", "WEBP", {"quality": 95}),
}
"""By name: the suffix, Pillow's name, and the quality that loses least; labels are PNG always."""

HASHES = ("image_sha256", "truth_sha256", "label_sha256", "label_train_ids_sha256", "carried_sha256")
FACTS = ("key", "split", "source_path", "source_sha256", "style", "ssim", "consistency")
ASKED = (*FACTS, *HASHES)
"""Of the manifest, what is held against a frame or told of it."""

AHEAD = 64
TOGETHER = 4
"""So many frames are handed to a thread at once, since handing one over takes about as long as copying a small one."""


@dataclass(frozen=True)
class FrameReader:
    """Reads the frames of shards, and counts what their labels hold.

    Attributes:
        image_format: a key of FORMATS.
        selection: gives the size.
        official: where the layout is for tools that read the train ids of Cityscapes.
        classes: the names of the train ids, where the layout asks for objects.
    """

    image_format: str
    selection: Selection
    official: CityscapesTrainIds | None
    classes: Sequence[str] | None = None

    def read(
        self, path: Path, rows: Mapping[str, Mapping[str, Any]], known: Set[str], pool: Executor
    ) -> Iterator[tuple[Frame, dict[str, Any]]]:
        """Frames of a shard, with how many pixels each train id has and which train id each raw id has.

        Args:
            path: of the shard.
            rows: of the manifest, by key, with the `name` that the frame's files are called after; other frames are
                passed over.
            known: all keys that the manifest has of the shard.
            pool: decodes and encodes.

        Raises:
            HflowError: a frame is not as the manifest says, or one that it names is missing.
        """
        missing = set(rows)
        shard = read_rows(path)
        while group := [row for _, row in zip(range(AHEAD), shard, strict=False)]:
            for row in group:
                if row["key"] not in known:
                    raise _unlike(path, row["key"])
            chosen = [row for row in group if row["key"] in rows]
            missing -= {row["key"] for row in chosen}
            some = [chosen[first : first + TOGETHER] for first in range(0, len(chosen), TOGETHER)]
            for made in pool.map(lambda some: [self._frame(path, rows[row["key"]], row) for row in some], some):
                yield from made
        if missing:
            raise HflowError(f"{path} has no frame {min(missing)!r}, though the manifest names it: see `hflow verify`")

    def _frame(self, path: Path, said: Mapping[str, Any], row: dict[str, Any]) -> tuple[Frame, dict[str, Any]]:
        key = row["key"]
        check_key(key)
        for name in ("image", "truth", "label", "label_train_ids"):
            if said[f"{name}_sha256"] != (row[name] and sha256(row[name]["bytes"]).hexdigest()):
                raise _unlike(path, key)
        if carried_faults(row["carried"], said["carried_sha256"]):
            raise _unlike(path, key)
        label, train_ids = (row[name] and row[name]["bytes"] for name in ("label", "label_train_ids"))
        if self.official and train_ids:
            train_ids = self.official.of(key, label, train_ids)
        image, (label, train_ids) = self.selection.resized(row["image"]["bytes"], (label, train_ids))
        counts = {"pixels": _pixels(train_ids), "raw_ids": _raw_ids(label, train_ids)}
        suffix, _, _ = FORMATS[self.image_format]
        carried = {file["name"]: (file["suffix"], file["bytes"]) for file in row["carried"] or ()}
        if row["truth"]:
            truth, _ = self.selection.resized(row["truth"]["bytes"], ())
            carried[TRUTH] = (".png", truth)
        image = _encoded(image, self.image_format)
        facts = {name: said[name] for name in FACTS}
        objects = self._objects(key, carried, label, train_ids)
        return Frame(key, said["split"], said["name"], image, suffix, label, train_ids, facts, carried, objects), counts

    def _objects(
        self, key: str, carried: Mapping[str, tuple[str, bytes]], label: bytes | None, train_ids: bytes | None
    ) -> Objects | None:
        if self.classes is None:
            return None
        if INSTANCES not in carried or label is None or train_ids is None:
            raise HflowError(f"{key!r} has no instances or no label, of which objects are told")
        return read_objects(key, carried[INSTANCES][1], label, train_ids, self.classes)


def _unlike(path: Path, key: str) -> HflowError:
    return HflowError(f"{path}: {key} is not as the manifest says: see `hflow verify`")


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
