"""A sample of frames, translations and target images, at most so large that measuring them takes seconds."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hflow.datasets.images import decode_ids, decode_rgb
from hflow.datasets.rows_by_key import RowsByKey
from hflow.datasets.shards import ShardSet, shard_files
from hflow.foundation.contact_sheet import narrowed
from hflow.foundation.evenly_spaced import evenly_spaced
from hflow.foundation.labels import IGNORE

__all__ = ["SAMPLE", "SampledFrames", "SampledImage", "sampled_target"]

SAMPLE, WIDTH = 48, 512


@dataclass(frozen=True)
class SampledImage:
    """uint8 (H, W, 3), at most 512 wide, and its train ids, uint8 (H, W), or None without a label."""

    pixels: np.ndarray
    ids: np.ndarray | None

    def regions(self, by_class: bool) -> np.ndarray:
        """The train ids; where not `by_class`, one region that is the whole picture. (H, W)."""
        if not by_class:
            return np.zeros(self.pixels.shape[:2], np.uint8)
        return np.full(self.pixels.shape[:2], IGNORE, np.uint8) if self.ids is None else self.ids


class SampledFrames:
    """The images of rows of the manifest."""

    def __init__(self, prepared: Path, translated: Path):
        self._folders = prepared / "source", translated
        self._rows = RowsByKey(["image", "label_train_ids"]), RowsByKey(["image"])

    def raw(self, row: Mapping[str, Any]) -> SampledImage:
        return _image(self._rows[0].find(self._folders[0] / row["split"] / row["shard"], row["key"]))

    def translated(self, row: Mapping[str, Any]) -> np.ndarray:
        found = self._rows[1].find(self._folders[1] / row["split"] / row["shard"], row["key"])
        return narrowed(decode_rgb(found["image"]["bytes"]), WIDTH)


def _image(row: Mapping[str, Any]) -> SampledImage:
    label = row["label_train_ids"]
    ids = None if label is None else narrowed(decode_ids(label["bytes"]), WIDTH)
    return SampledImage(narrowed(decode_rgb(row["image"]["bytes"]), WIDTH), ids)


def sampled_target(prepared: Path) -> list[SampledImage]:
    """Up to `SAMPLE` of the target's training images, evenly spaced."""
    rows = ShardSet(shard_files(prepared / "target" / "train"), ["image", "label_train_ids"])
    return [_image(rows[number]) for number in evenly_spaced(range(len(rows)), SAMPLE)]
