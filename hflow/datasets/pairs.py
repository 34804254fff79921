"""Training pairs: an unpaired content and style crop for each step, a function of seed and number alone."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from hflow.datasets.images import decode_ids, fit_image, open_rgb
from hflow.datasets.tensors import to_tensor
from hflow.foundation.errors import HflowError
from hflow.foundation.labels import IGNORE

__all__ = ["Pairs", "whole_ids", "whole_image"]


class Pairs(Dataset[tuple[Tensor, ...]]):
    """Pair `i` of an endless sequence; whoever asks, in whichever order, gets the same crops.

    Args:
        content, style: rows with an image column, such as ShardSets.
        seed: of the sequence.
        size: (width, height) that images are resized to first; None leaves them as they are.
        crop: (width, height) of a random crop after that; None takes the whole image.
        flip: whether to mirror half of the images.
        length: how many pairs there are to be.
        labels: whether to give the train ids of both as well; the rows then need a label_train_ids column.
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
        labels: bool = False,
    ):
        self.content, self.style, self.labels = content, style, labels
        self.seed, self.size, self.crop, self.flip, self.length = seed, size, crop, flip, length

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> tuple[Tensor, ...]:
        """Content and style, each float32 (3, H, W) in [0, 1], and with `labels` their train ids, int64 (H, W)."""
        random = np.random.default_rng([self.seed, index])
        (content, its_ids), (style, their_ids) = self._draw(self.content, random), self._draw(self.style, random)
        return (content, style, its_ids, their_ids) if self.labels else (content, style)

    def _draw(self, rows: Sequence[dict[str, Any]], random: np.random.Generator) -> tuple[Tensor, Tensor]:
        row = rows[int(random.integers(len(rows)))]
        image = whole_image(row, self.size)  # (H, W, 3)
        ids = whole_ids(row, image.shape[:2]) if self.labels else np.empty(image.shape[:2], np.uint8)
        if self.crop:
            image, ids = _crop(image, ids, self.crop, random, row["key"])
        if bool(random.integers(2)) and self.flip:
            image, ids = image[:, ::-1], ids[:, ::-1]
        return to_tensor(image), torch.from_numpy(ids.astype(np.int64))


def whole_image(row: dict[str, Any], size: tuple[int, int] | None, most_pixels: int | None = None) -> np.ndarray:
    """The image of a row, uint8 (H, W, 3), resized as training does it; then made smaller where it has more pixels."""
    image = fit_image(open_rgb(row["image"]["bytes"]), size, "stretch")
    if most_pixels and image.width * image.height > most_pixels:
        less = (most_pixels / (image.width * image.height)) ** 0.5
        image = fit_image(image, (int(image.width * less), int(image.height * less)), "stretch")
    return np.asarray(image)


def whole_ids(row: dict[str, Any], shape: tuple[int, ...]) -> np.ndarray:
    """The train ids of a row, uint8 (H, W), at the height and width of its image; 255 everywhere without a label."""
    if row["label_train_ids"] is None:
        return np.full(shape, IGNORE, np.uint8)
    ids = Image.fromarray(decode_ids(row["label_train_ids"]["bytes"]))
    return np.asarray(fit_image(ids, (shape[1], shape[0]), "stretch", nearest=True))


def _crop(
    image: np.ndarray, ids: np.ndarray, size: tuple[int, int], random: np.random.Generator, key: str
) -> tuple[np.ndarray, np.ndarray]:
    (width, height), (rows, columns) = size, image.shape[:2]
    if width > columns or height > rows:
        raise HflowError(
            f"train.crop {width}x{height} is larger than {key}, {columns}x{rows}: make it smaller or set train.size"
        )
    left, top = int(random.integers(columns - width + 1)), int(random.integers(rows - height + 1))
    part = np.s_[top : top + height, left : left + width]
    return image[part], ids[part]
