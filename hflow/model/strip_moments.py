"""Mean and variance of every channel of maps that come strip by strip."""

import torch
from torch import Tensor

__all__ = ["StripMoments"]


class StripMoments:
    """Mean and variance of every channel over strips, each centred on itself before they are brought together."""

    def __init__(self) -> None:
        self._count = 0
        self._strips: list[tuple[int, Tensor, Tensor]] = []

    def add(self, strip: Tensor) -> None:
        """Take in a strip, (1, C, h, W), channels last."""
        count, channels = strip.shape[2] * strip.shape[3], strip.shape[1]
        # With running statistics in float32 the results are float32 too, for a bfloat16 strip as well.
        running = strip.new_zeros(2, channels, dtype=torch.float32)
        mean, variance = torch.batch_norm_update_stats(strip, running[0], running[1], 1.0)  # (C,), over all pixels
        shape = (1, channels, 1, 1)
        self._strips.append((count, mean.double().view(shape), count * variance.double().view(shape)))
        self._count += count

    @property
    def mean(self) -> Tensor:
        """(1, C, 1, 1)."""
        return self._mean().float()

    def variance(self, *, correction: int) -> Tensor:
        """(1, C, 1, 1); `correction` 1 gives the unbiased one."""
        mean = self._mean()
        total = torch.stack([squares + count * (m - mean) ** 2 for count, m, squares in self._strips]).sum(0)
        return (total / (self._count - correction)).float()

    def _mean(self) -> Tensor:
        return torch.stack([count * mean for count, mean, _ in self._strips]).sum(0) / self._count
