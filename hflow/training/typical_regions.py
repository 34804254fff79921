"""What each class of the target is usually like: the statistics that stand in where a style image lacks the class."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from hflow.datasets.images import decode_ids
from hflow.datasets.pairs import whole_ids, whole_image
from hflow.datasets.tensors import to_tensor
from hflow.foundation.errors import HflowError
from hflow.foundation.evenly_spaced import evenly_spaced
from hflow.foundation.labels import IGNORE
from hflow.training.encoder import Encoder
from hflow.training.region_style import (
    RegionStatistics,
    label_masks,
    region_statistics,
    typical_statistics,
    with_colour,
)
from hflow.training.whole_images import MOST_PIXELS

__all__ = ["measure_typical"]

MOST_IMAGES = 128


@torch.no_grad()
def measure_typical(
    encoder: Encoder,
    target: Sequence[dict[str, Any]],
    *,
    size: tuple[int, int] | None,
    layers: Sequence[str],
    bands: int,
    device: torch.device,
) -> tuple[int, dict[str, RegionStatistics]]:
    """The number of classes, and what each is like in the target.

    Args:
        target: rows with "image" and "label_train_ids", of which at most `MOST_IMAGES`, evenly spaced, are measured.
        size: (width, height) that images are brought to; None leaves theirs. Those of more than a megapixel are made
            smaller, since the encoder takes them whole.
        layers, bands: `loss.style_layers` and `loss.bands`.
        device: where the encoder is.

    Raises:
        HflowError: the images have no labels.
    """
    chosen = evenly_spaced(range(len(target)), MOST_IMAGES)
    classes = 1 + max((_highest(target[number]) for number in chosen), default=-1)
    if not classes:
        raise HflowError("loss.regions is labels, and the target's images have none: set it to none")
    samples = []
    for number in chosen:
        row = target[number]
        pixels = whole_image(row, size, MOST_PIXELS)
        ids = whole_ids(row, pixels.shape[:2]).astype(np.int64)
        image = to_tensor(pixels)[None].to(device)  # (1, 3, H, W)
        masks = label_masks(torch.from_numpy(ids)[None].to(device), classes, bands)
        samples.append(region_statistics(with_colour(encoder(image, layers), image), masks))
    return classes, typical_statistics(samples)


def _highest(row: dict[str, Any]) -> int:
    """The highest train id in the label of a row; -1 without any."""
    if row["label_train_ids"] is None:
        return -1
    ids = decode_ids(row["label_train_ids"]["bytes"])
    return int(ids[ids != IGNORE].astype(np.int64).max(initial=-1))
