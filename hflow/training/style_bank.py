"""The style bank of a trained network: every target image's style code, with its layout."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch.nn import functional as F

from hflow.datasets.pairs import whole_image
from hflow.datasets.tensors import to_tensor
from hflow.foundation.progress import progress
from hflow.model import HierarchyFlow
from hflow.model.store import StyleBank
from hflow.translation.style_choice import layout

__all__ = ["encode_styles"]

HALVED_FROM = 1 << 14
"""Pixels of an image from which its code is that of the image at half its width and height."""


@torch.no_grad()
def encode_styles(
    network: HierarchyFlow,
    rows: Sequence[dict[str, Any]],
    size: tuple[int, int] | None,
    *,
    autocast: Callable[[], AbstractContextManager[object]] = nullcontext,
) -> StyleBank:
    """The style codes of every row's image, resized as in training, and its layout.

    A code is of averages over the whole image, which hardly change where each four pixels become their mean.

    Args:
        network: on its device.
        rows: with the columns key and image.
        size: (width, height) that images are resized to; None leaves them.
        autocast: the context of the Style-Net's passes.
    """
    device = next(network.parameters()).device
    codes, keys, layouts = [], [], []
    with progress("style bank", len(rows), unit="images") as advance:
        for row in rows:
            whole = whole_image(row, None)  # (H, W, 3)
            image = to_tensor(whole if size is None else whole_image(row, size))[None].to(device)  # (1, 3, H, W)
            if image.shape[2] * image.shape[3] >= HALVED_FROM:
                image = F.avg_pool2d(image, 2)  # (1, 3, H // 2, W // 2)
            with autocast():
                code = network.encode_style(image.contiguous(memory_format=torch.channels_last))
            codes.append(code.float().cpu())
            layouts.append(torch.from_numpy(layout(whole)))
            keys.append(row["key"])
            advance()
    return StyleBank(torch.cat(codes), keys, torch.stack(layouts))
