"""What one training set gains over another in mIoU, paired by seed, with its interval."""

from collections.abc import Mapping
from dataclasses import dataclass

from hflow.metrics.mean_interval import mean_interval

__all__ = ["Gain", "paired_gain"]


@dataclass(frozen=True)
class Gain:
    """The mIoU of translated less that of source, the mean over the seeds that both were trained with.

    Attributes:
        interval: where the mean lies with a confidence of 95%, by the differences seed by seed; None for one seed.
    """

    miou: float
    seeds: int
    interval: tuple[float, float] | None


def paired_gain(before: Mapping[int, float], after: Mapping[int, float]) -> Gain:
    """The gain of `after` over `before`, each the mIoU by seed, of the same seeds."""
    mean, interval = mean_interval([after[seed] - before[seed] for seed in after])
    return Gain(mean, len(after), interval)
