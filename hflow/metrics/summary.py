"""A few numbers for many: what translating adds to the mIoU, and how like their sources the translations are."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student

__all__ = ["Gain", "Similarity", "histogram", "paired_gain", "summarise_similarity"]

BINS = 20


@dataclass(frozen=True)
class Gain:
    """The mIoU of translated less that of source, the mean over the seeds that both were trained with.

    Attributes:
        interval: where the mean lies with a confidence of 95%, by the differences seed by seed; None for one seed.
    """

    miou: float
    seeds: int
    interval: tuple[float, float] | None


@dataclass(frozen=True)
class Similarity:
    """SSIM of translations to their sources over some frames; 1 is equal, and 5% of the frames lie below `p05`."""

    mean: float
    minimum: float
    p05: float
    median: float


def paired_gain(before: Mapping[int, float], after: Mapping[int, float]) -> Gain:
    """The gain of `after` over `before`, each the mIoU by seed, of the same seeds."""
    differences = [after[seed] - before[seed] for seed in after]
    mean, count = statistics.fmean(differences), len(differences)
    if count < 2:
        return Gain(mean, count, None)
    half = float(student.ppf(0.975, count - 1)) * statistics.stdev(differences) / math.sqrt(count)
    return Gain(mean, count, (mean - half, mean + half))


def summarise_similarity(ssim: Sequence[float]) -> Similarity:
    """The figures of some frames, at least one, from the SSIM of each."""
    return Similarity(float(np.mean(ssim)), min(ssim), float(np.quantile(ssim, 0.05)), float(np.median(ssim)))


def histogram(ssim: Sequence[float]) -> list[int]:
    """How many values lie in each twentieth of [0, 1]; one below 0 counts in the first."""
    counts: list[int] = np.histogram(np.array(ssim).clip(0, 1), BINS, (0, 1))[0].tolist()
    return counts
