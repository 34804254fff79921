"""Training pairs: an unpaired content and style crop for each step, a function of seed and number alone."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from torch import Tensor
from torch.utils.data import Dataset

from hflow.datasets.images import fit_image, open_rgb
from hflow.datasets.tensors import to_tensor
from hflow.foundation.errors import HflowError

__all__ = ["Pairs", "whole_image"]


class Pairs(Dataset[tuple[Tensor, Tensor]]):
    """Pair `i` of an endless sequence; whoever asks, in whichever order, gets the same crops.

    Args:
        content, style: rows with an image column, such as ShardSets.
        seed: of the sequence.
        size: (width, height) that images are resized to first; None leaves them as they are.
        crop: (width, height) of a random crop after that; None takes the whole image.
        flip: whether to mirror half of the images.
        length: how many pairs there are to be.
    """

    def __init__(
        self,
        content: Sequence[dict[str, Any]],
        style: Sequence[dict[str, Any]],
        *,
        seed: int,
        size: tuple[int, int] | None,
        crop: tuple[int, int] | None,
        flip: bool,
        length: int,
    ):
        self.content, self.style = content, style
        self.seed, self.size, self.crop, self.flip, self.length = seed, size, crop, flip, length

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        """Content and style, each float32 (3, H, W) in [0, 1]."""
        random = np.random.default_rng([self.seed, index])
        return self._draw(self.content, random), self._draw(self.style, random)

    def _draw(self, rows: Sequence[dict[str, Any]], random: np.random.Generator) -> Tensor:
        row = rows[int(random.integers(len(rows)))]
        image = whole_image(row, self.size)  # (H, W, 3)
        if self.crop:
            image = _crop(image, self.crop, random, row["key"])
        mirrored = bool(random.integers(2)) and self.flip
        return to_tensor(image[:, ::-1] if mirrored else image)


def whole_image(row: dict[str, Any], size: tuple[int, int] | None) -> np.ndarray:
    """The image of a row, uint8 (H, W, 3), resized as training does it."""
    return np.asarray(fit_image(open_rgb(row["image"]["bytes"]), size, "stretch"))


def _crop(image: np.ndarray, size: tuple[int, int], random: np.random.Generator, key: str) -> np.ndarray:
    (width, height), (rows, columns) = size, image.shape[:2]
    if width > columns or height > rows:
        raise HflowError(
            f"train.crop {width}x{height} is larger than {key}, {columns}x{rows}: make it smaller or set train.size"
        )
    left, top = int(random.integers(columns - width + 1)), int(random.integers(rows - height + 1))
    return image[top : top + height, left : left + width]
