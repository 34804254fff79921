"""A mean and where it lies, by Student's distribution."""

import math
import statistics
from collections.abc import Sequence

from scipy.stats import t as student

__all__ = ["mean_interval"]


def mean_interval(values: Sequence[float]) -> tuple[float, tuple[float, float] | None]:
    """The mean of values, at least one, and where it lies with a confidence of 95%; None for one value."""
    mean, count = statistics.fmean(values), len(values)
    if count < 2:
        return mean, None
    half = float(student.ppf(0.975, count - 1)) * statistics.stdev(values) / math.sqrt(count)
    return mean, (mean - half, mean + half)
