"""What each class of the target is usually like: the statistics that stand in where a style image lacks the class."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

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
        size: (width, height) that images are brought to; None leaves theirs.
        layers, bands: `loss.style_layers` and `loss.bands`.
        device: where the encoder is.

    Raises:
        HflowError: the images have no labels.
    """
    rows = evenly_spaced(target, MOST_IMAGES)
    labels = [whole_ids(row, whole_image(row, size).shape[:2]).astype(np.int64) for row in rows]
    classes = 1 + max((int(ids[ids != IGNORE].max(initial=-1)) for ids in labels), default=-1)
    if not classes:
        raise HflowError("loss.regions is labels, and the target's images have none: set it to none")
    samples = []
    for row, ids in zip(rows, labels, strict=True):
        image = to_tensor(whole_image(row, size))[None].to(device)  # (1, 3, H, W)
        masks = label_masks(torch.from_numpy(ids)[None].to(device), classes, bands)
        samples.append(region_statistics(with_colour(encoder(image, layers), image), masks))
    return classes, typical_statistics(samples)
