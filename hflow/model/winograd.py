"""A 3 x 3 convolution with half the multiplications: F(4, 3) along the width, as it is along the height.

Four neighbouring outputs of a convolution of three taps need six products of transformed inputs and weights, not twelve
(Winograd 1980; Lavin and Gray 2016, arXiv:1509.09308, whose transforms these are). Along both axes it would be 36
instead of 144, but then the transforms cost what the products save, and the rounding grows.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["STEP", "transform_weight", "winograd_convolve"]

STEP = 4
"""Columns that six products make."""

WEIGHT = (
    (1 / 4, 0.0, 0.0),
    (-1 / 6, -1 / 6, -1 / 6),
    (-1 / 6, 1 / 6, -1 / 6),
    (1 / 24, 1 / 12, 1 / 6),
    (1 / 24, -1 / 12, 1 / 6),
    (0.0, 0.0, 1.0),
)


def transform_weight(weight: Tensor) -> list[Tensor]:
    """The six weights (C', C, 3, 1) that stand for a weight (C', C, 3, 3)."""
    transformed = torch.einsum("jk,ncyk->jncy", weight.new_tensor(WEIGHT), weight)[..., None]  # (6, C', C, 3, 1)
    return [part.contiguous(memory_format=torch.channels_last) for part in transformed]


def winograd_convolve(x: Tensor, weights: list[Tensor], out: Tensor, memory: Tensor) -> None:
    """Convolve x with the weight that was transformed, without padding.

    Args:
        x: (1, C, h + 2, 4 T + 2), channels last.
        weights: what `transform_weight` made.
        out: (1, C', h, 4 T), channels last.
        memory: room for 6 (h + 2) T C floats; what it held is lost.
    """
    _, channels, rows, columns = x.shape
    tiles = columns // STEP
    inputs = memory.view(6, 1, rows, tiles, channels).permute(0, 1, 4, 2, 3)  # 6 x (1, C, h + 2, T)
    _transform_input([x[..., i::STEP][..., :tiles] for i in range(6)], inputs)
    products = [F.conv2d(part, weight) for part, weight in zip(inputs, weights, strict=True)]  # 6 x (1, C', h, T)
    _transform_output(products, [out[..., i::STEP] for i in range(STEP)])


def _transform_input(x: list[Tensor], out: Tensor) -> None:
    """Columns 4 t + i, 6 x (1, C, h + 2, T), to the six inputs of the products."""
    torch.add(x[4], x[2], alpha=-5, out=out[0]).add_(x[0], alpha=4)
    torch.add(x[5], x[3], alpha=-5, out=out[5]).add_(x[1], alpha=4)
    odd = torch.add(x[3], x[1], alpha=-4, out=out[3])
    even = torch.add(x[4], x[2], alpha=-4, out=out[4])
    torch.add(even, odd, out=out[1])
    torch.sub(even, odd, out=out[2])
    even = torch.sub(x[4], x[2])
    odd = torch.sub(x[3], x[1])
    torch.add(even, odd, alpha=2, out=out[3])
    torch.add(even, odd, alpha=-2, out=out[4])


def _transform_output(products: list[Tensor], out: list[Tensor]) -> None:
    """The six products, (1, C', h, T), to the columns 4 t + i, 4 x (1, C', h, T)."""
    first, second = products[1] + products[2], products[3] + products[4]
    torch.add(products[0], first, out=out[0]).add_(second)
    torch.add(first, second, alpha=4, out=out[2])
    first, second = products[1].sub_(products[2]), products[3].sub_(products[4])
    torch.add(first, second, alpha=2, out=out[1])
    torch.add(first, second, alpha=8, out=out[3]).add_(products[5])
