"""Means over square windows around every pixel, as a guided filter takes them by the dozen."""

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["window_means"]


def window_means(maps: Tensor, radius: int) -> Tensor:
    """The mean over each pixel's window, as far as it lies inside the picture: (B, C, H, W) to the same.

    Args:
        maps: of floats.
        radius: of the square window, 2 radius + 1 pixels wide.
    """
    for dim in (3, 2):
        place = torch.arange(maps.shape[dim], device=maps.device)
        inside = (place + radius).clamp(max=maps.shape[dim] - 1) - (place - radius).clamp(min=0) + 1  # (W,) or (H,)
        maps = _sums(maps, radius, dim) / (inside if dim == 3 else inside[:, None])
    return maps


def _sums(maps: Tensor, radius: int, dim: int) -> Tensor:
    """The sum over the 2 radius + 1 values around each along a dimension of (B, C, H, W), 0 beyond it.

    Sums of one value, two, four and so on are each made of two of those before: a few passes over the maps, which a CPU
    takes many values at a time, where pooling adds up each window by itself.
    """
    count, width = maps.shape[dim], 2 * radius + 1
    part = F.pad(maps, (radius, radius) if dim == 3 else (0, 0, radius, radius))
    size, start, total = 1, 1, part.narrow(dim, 0, count)
    while 2 * size <= width:
        part = part.narrow(dim, 0, part.shape[dim] - size) + part.narrow(dim, size, part.shape[dim] - size)
        size *= 2
        if width & size:  # the window is made of those sizes whose bit its width has, 1 always among them
            total = total + part.narrow(dim, start, count)
            start += size
    return total
