"""The contact sheet of a training: frames, styles and what the network makes of them."""

from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image

from hflow.datasets.pairs import whole_image
from hflow.datasets.shards import ShardSet
from hflow.datasets.tensors import to_pixels, to_tensor
from hflow.foundation.contact_sheet import contact_sheet
from hflow.foundation.evenly_spaced import evenly_spaced
from hflow.model import HierarchyFlow
from hflow.training.whole_images import MOST_PIXELS

__all__ = ["training_sheet"]

ROWS = 4


@torch.no_grad()
def training_sheet(
    network: HierarchyFlow,
    source: Sequence[Path],
    target: Sequence[Path],
    size: tuple[int, int] | None,
    device: torch.device,
) -> Image.Image:
    """Rows of content, style and translated, of evenly spaced images of the shards, resized to `size` (width, height).

    Images of more than a megapixel are made smaller.

    Args:
        network: on `device`.
    """
    contents, styles = ShardSet(source, ["key", "image"]), ShardSet(target, ["key", "image"])
    rows, count = [], min(ROWS, len(contents), len(styles))
    for row, of_style in zip(evenly_spaced(contents, count), evenly_spaced(styles, count), strict=True):
        content, style = (whole_image(each, size, MOST_PIXELS) for each in (row, of_style))
        output = network(to_tensor(content)[None].to(device), to_tensor(style)[None].to(device))
        rows.append([content, style, to_pixels(output[0])])
    return contact_sheet(rows, ["content", "style", "translated"])
