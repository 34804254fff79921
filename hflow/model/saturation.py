"""A clamp that can be left again."""

from typing import Any

import torch
from torch import Tensor

__all__ = ["returning_clamp"]


def returning_clamp(x: Tensor) -> Tensor:
    """Values cut off at 0 and 1, any shape, as `clamp` does; but the gradient of a value beyond leads it back.

    The gradient of clamp is 0 out there, so a picture that has become all black, or all of one colour, in a few steps
    that were too long stays so for ever. Here the gradient of a value below 0 or above 1 is what it would be without
    the clamp where descending it leads inwards, and 0 where it leads further out.
    """
    clamped: Tensor = _ReturningClamp.apply(x)
    return clamped


class _ReturningClamp(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x.clamp(0, 1)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        outwards = ((x < 0) & (gradient > 0)) | ((x > 1) & (gradient < 0))
        return gradient.masked_fill(outwards, 0)
