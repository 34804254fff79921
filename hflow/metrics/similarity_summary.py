"""How like their sources many translations are, in a few numbers."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["Similarity", "histogram", "summarise_similarity"]

BINS = 20


@dataclass(frozen=True)
class Similarity:
    """SSIM of translations to their sources over some frames; 1 is equal, and 5% of the frames lie below `p05`."""

    mean: float
    minimum: float
    p05: float
    median: float


def summarise_similarity(ssim: Sequence[float] | np.ndarray) -> Similarity:
    """The figures of some frames, at least one, from the SSIM of each."""
    return Similarity(
        *(float(found) for found in (np.mean(ssim), np.min(ssim), np.quantile(ssim, 0.05), np.median(ssim)))
    )


def histogram(ssim: Sequence[float] | np.ndarray) -> list[int]:
    """How many values lie in each twentieth of [0, 1]; one below 0 counts in the first."""
    counts: list[int] = np.histogram(np.array(ssim).clip(0, 1), BINS, (0, 1))[0].tolist()
    return counts
