"""Labelled frames as a segmenter learns from them: whole, and as the random crops of a seed."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from hflow.datasets.images import decode_ids, decode_rgb
from hflow.datasets.shards import ShardSet, read_table
from hflow.datasets.tensors import to_tensor
from hflow.foundation.errors import HflowError
from hflow.foundation.imagenet import MEAN, STD
from hflow.foundation.labels import IGNORE

__all__ = ["Crops", "LabelledFrames", "normalised", "random_crop", "train_ids"]

SCALES = (0.75, 1.5)


class LabelledFrames(Sequence[tuple[np.ndarray, np.ndarray]]):
    """The frames of shards that have labels: image, uint8 (H, W, 3), and train ids, uint8 (H, W)."""

    def __init__(self, files: Sequence[Path], classes: Sequence[str]):
        self._rows = ShardSet(files, ["key", "image", "label_train_ids"])
        self._labels = ShardSet(files, ["key", "label_train_ids"])
        has_label = [v for path in files for v in read_table(path, ["label_train_ids"])[0].is_valid().to_pylist()]
        self._labelled = [index for index, valid in enumerate(has_label) if valid]
        self.classes = classes

    def __len__(self) -> int:
        return len(self._labelled)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        row = self._rows[self._labelled[index]]
        return decode_rgb(row["image"]["bytes"]), self._decoded(row)

    def ids(self, index: int) -> np.ndarray:
        """The train ids of a frame, uint8 (H, W), without reading its image."""
        return self._decoded(self._labels[self._labelled[index]])

    def _decoded(self, row: dict[str, Any]) -> np.ndarray:
        label = decode_ids(row["label_train_ids"]["bytes"])
        highest = int(label[label != IGNORE].max(initial=0))
        if highest >= len(self.classes):
            raise HflowError(
                f"the label of {row['key']} has the train id {highest}, but data.classes names {len(self.classes)} "
                "classes: run `hflow prepare` again"
            )
        return label

    def key(self, index: int) -> str:
        """The key of a frame."""
        return str(self._rows[self._labelled[index]]["key"])

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the first frame, which training crops all frames to."""
        height, width, _ = self[0][0].shape
        return width, height


class Crops(Dataset[tuple[Tensor, Tensor]]):
    """Sample `i` of a seed's sequence: a frame mirrored, scaled and cropped at random, a function of seed and i alone.

    An item is an image, float32 (3, H, W), normalised, and train ids, int64 (H, W); what a frame made smaller leaves
    free is grey and ignored.
    """

    def __init__(self, frames: LabelledFrames, *, seed: int, length: int):
        self.frames, self.size, self.seed, self.length = frames, frames.size, seed, length

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        random = np.random.default_rng([self.seed, index])
        pixels, ids = self.frames[int(random.integers(len(self.frames)))]
        return random_crop(pixels, ids, self.size, random)


def random_crop(
    pixels: np.ndarray, ids: np.ndarray, size: tuple[int, int], random: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """A frame mirrored, scaled and cropped at random.

    Args:
        pixels, ids: uint8 (H, W, 3), and train ids, uint8 (H, W).
        size: (width, height) of the crop.

    Returns:
        float32 (3, height, width), normalised, and train ids, int64 (height, width).
    """
    if random.integers(2):
        pixels, ids = pixels[:, ::-1], ids[:, ::-1]
    scale = math.exp(random.uniform(*np.log(SCALES)))
    height, width = (max(1, round(side * scale)) for side in ids.shape)
    left, top = _offset(size[0] - width, random), _offset(size[1] - height, random)
    image = Image.new("RGB", size, tuple(round(255 * value) for value in MEAN))
    image.paste(Image.fromarray(pixels).resize((width, height), Image.Resampling.BILINEAR), (left, top))
    label = Image.new("L", size, IGNORE)
    label.paste(Image.fromarray(ids).resize((width, height), Image.Resampling.NEAREST), (left, top))
    return normalised(np.asarray(image)), train_ids(np.asarray(label))


def normalised(pixels: np.ndarray) -> Tensor:
    """uint8 (H, W, 3) to float32 (3, H, W), normalised as ImageNet networks take it."""
    return (to_tensor(pixels) - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)


def train_ids(label: np.ndarray) -> Tensor:
    """uint8 (H, W) to int64 (H, W)."""
    return torch.from_numpy(label.astype(np.int64))


def _offset(room: int, random: np.random.Generator) -> int:
    """Where a side begins: within the room it leaves, or as far outside as it is too long."""
    return int(random.integers(min(0, room), max(0, room) + 1))
