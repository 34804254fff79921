"""Mean and variance of every channel of maps that come strip by strip."""

import math

import torch
from torch import Tensor

__all__ = ["StripMoments"]

COLUMNS = 960
"""Of the matrix that a strip is measured as: the kernel is slow where they are few, and no multiple of 16."""


class StripMoments:
    """Mean and variance of every channel over strips, each centred on itself before they are brought together."""

    def __init__(self) -> None:
        self._count = 0
        self._strips: list[tuple[int, Tensor, Tensor]] = []

    def add(self, strip: Tensor) -> None:
        """Take in a strip, (1, C, h, W), channels last."""
        count, channels = strip.shape[2] * strip.shape[3], strip.shape[1]
        # Neighbouring pixels stand side by side as channels of their own, and are brought together like strips.
        side_by_side = math.gcd(count, 1 << max(0, (COLUMNS // channels).bit_length() - 1))
        matrix = strip.permute(0, 2, 3, 1).view(1, count // side_by_side, 1, side_by_side * channels)
        # With running statistics in float32 the results are float32 too, for a bfloat16 strip as well.
        running = strip.new_zeros(2, side_by_side * channels, dtype=torch.float32)
        mean, variance = torch.batch_norm_update_stats(matrix.permute(0, 3, 1, 2), running[0], running[1], 1.0)
        self._strips.append((count // side_by_side, mean.view(-1, channels), variance.view(-1, channels)))
        self._count += count

    def moments(self, *, correction: int) -> tuple[Tensor, Tensor]:
        """Mean and variance, (1, C, 1, 1) each; `correction` 1 gives the unbiased variance."""
        counts = torch.tensor([n for n, mean, _ in self._strips for _ in range(len(mean))], dtype=torch.float64)[
            :, None
        ]
        means, variances = (torch.cat(parts).double() for parts in list(zip(*self._strips, strict=True))[1:])  # (N, C)
        mean = (counts * means).sum(0) / self._count
        variance = (counts * (variances + (means - mean) ** 2)).sum(0) / (self._count - correction)
        return mean.float().view(1, -1, 1, 1), variance.float().view(1, -1, 1, 1)
