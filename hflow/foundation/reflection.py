"""Reflection padding whose gradient adds up in a fixed order on a GPU too, as that of PyTorch's own does not."""

import torch
from torch import Tensor

__all__ = ["reflect_pad"]


def reflect_pad(x: Tensor, pixels: int) -> Tensor:
    """(B, C, H, W) to (B, C, H + 2 pixels, W + 2 pixels), mirrored at the edges; `pixels` is less than H and W."""
    for dim in (3, 2):
        size = x.shape[dim]
        before, after = x.narrow(dim, 1, pixels), x.narrow(dim, size - 1 - pixels, pixels)
        x = torch.cat([before.flip(dim), x, after.flip(dim)], dim=dim)
    return x
