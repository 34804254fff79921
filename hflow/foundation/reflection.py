"""Reflection padding whose gradient adds up in a fixed order on a GPU too, as that of PyTorch's own does not."""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["reflect_pad"]


def reflect_pad(x: Tensor, pixels: int) -> Tensor:
    """(B, C, H, W) to (B, C, H + 2 pixels, W + 2 pixels), mirrored at the edges; `pixels` is less than H and W."""
    padded: Tensor = _Reflection.apply(x, pixels) if x.requires_grad else _padded(x, pixels)
    return padded


def _padded(x: Tensor, pixels: int) -> Tensor:
    return F.pad(x, (pixels,) * 4, mode="reflect")


class _Reflection(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, pixels: int) -> Tensor:
        ctx.pixels = pixels
        return _padded(x, pixels)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        pixels = ctx.pixels
        for dim in (3, 2):
            size = gradient.shape[dim] - 2 * pixels
            inside = gradient.narrow(dim, pixels, size).clone(memory_format=torch.channels_last)
            before, after = (gradient.narrow(dim, start, pixels).flip(dim) for start in (0, size + pixels))
            inside.narrow(dim, 1, pixels).add_(before)
            inside.narrow(dim, size - 1 - pixels, pixels).add_(after)
            gradient = inside
        return gradient, None
