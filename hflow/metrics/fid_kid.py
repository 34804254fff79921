"""How much a set of images looks like another: FID and KID, from summaries whose size does not grow with the set.

images = FeatureSummary(space.dimensions, seed=0)
for batch in batches:
    images.add(space(batch))
fid(images, target), kid(images, target)
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torchmetrics.image.kid import poly_mmd

from hflow.foundation.errors import HflowError

__all__ = ["RESERVOIR", "SUBSETS", "SUBSET_SIZE", "FeatureSpace", "FeatureSummary", "Kid", "fid", "kid"]

RESERVOIR = 10_000
SUBSETS, SUBSET_SIZE = 100, 1000


@dataclass(frozen=True)
class FeatureSpace:
    """Where images are compared.

    Attributes:
        name: of the network and the layer, part of the metric's key: figures of other spaces can't be compared.
        dimensions: D.
        features: (B, D) float of images uint8 (B, 3, H, W).
        of_vgg: the same of relu5_3 of `ShiftTolerantVGG`, (B, 512, h, w), where the space is made of that.
    """

    name: str
    dimensions: int
    features: Callable[[Tensor], Tensor]
    of_vgg: Callable[[Tensor], Tensor] | None = None


class FeatureSummary:
    """What FID and KID need of a set of features: sums for the one, a sample of fixed size for the other.

    Args:
        dimensions: D, of a feature.
        seed: of the sample.
        reservoir: how many features are kept; of a larger set each is kept with the same chance (Vitter 1985). The
            same features in the same order give the same sample, however they are cut into batches.
    """

    def __init__(self, dimensions: int, *, seed: int, reservoir: int = RESERVOIR):
        self.count = 0
        self._sum = torch.zeros(dimensions, dtype=torch.float64)
        self._products = torch.zeros(dimensions, dimensions, dtype=torch.float64)
        self._kept: list[Tensor] = []
        self._reservoir = reservoir
        self._random = np.random.default_rng(seed)

    def add(self, features: Tensor) -> None:
        """Take in features, (B, D)."""
        features = features.detach().double().cpu()
        self._sum += features.sum(dim=0)
        self._products += features.T @ features
        for feature in features:
            self.count += 1
            if len(self._kept) < self._reservoir:
                self._kept.append(feature.clone())
            elif (place := int(self._random.integers(self.count))) < self._reservoir:
                self._kept[place] = feature.clone()

    @property
    def mean(self) -> Tensor:
        """(D,) double."""
        return self._sum / self.count

    @property
    def covariance(self) -> Tensor:
        """(D, D) double, unbiased."""
        return (self._products - self.count * torch.outer(self.mean, self.mean)) / (self.count - 1)

    @property
    def sample(self) -> Tensor:
        """(S, D) double, at most `reservoir` features."""
        return torch.stack(self._kept)


def fid(images: FeatureSummary, target: FeatureSummary) -> float:
    """Fréchet distance of two sets (Heusel et al. 2017): of the Gaussians with their means and covariances.

    Returns:
        At least 0, up to rounding; lower is more alike. With few images it is too high, the more so the fewer they
        are (below some ten times the dimensions): compare sets of one size, or take KID.

    Raises:
        HflowError: a set has fewer than two images.
    """
    if min(images.count, target.count) < 2:
        raise HflowError("FID needs two images or more on both sides")
    values, vectors = torch.linalg.eigh(images.covariance)
    root = (vectors * values.clamp(min=0).sqrt()) @ vectors.T
    # tr sqrt(A B) is tr sqrt(sqrt(A) B sqrt(A)), which is symmetric, so that few images do no harm.
    shared = torch.linalg.eigvalsh(root @ target.covariance @ root).clamp(min=0).sqrt().sum()
    apart = (images.mean - target.mean).square().sum()
    return float(apart + images.covariance.trace() + target.covariance.trace() - 2 * shared)


@dataclass(frozen=True)
class Kid:
    """The squared distance of two sets in a kernel's space, over random subsets.

    Attributes:
        mean: lower is more alike; it has no bias, so equal distributions give 0 on average and may give less.
        std: over the subsets.
        subset_size: how many images of each set a subset has.
    """

    mean: float
    std: float
    subset_size: int


def kid(
    images: FeatureSummary,
    target: FeatureSummary,
    *,
    subsets: int = SUBSETS,
    subset_size: int | None = None,
    seed: int = 0,
) -> Kid:
    """Kernel distance of two sets (Bińkowski et al. 2018): the unbiased MMD² by the kernel (x·y / D + 1)³.

    Args:
        subsets: how many pairs of subsets are drawn.
        subset_size: 1000 as published, or half of the smaller set where that is less, so that subsets differ.
        seed: of the subsets.

    Raises:
        HflowError: a set has fewer than four images, or fewer than `subset_size`.
    """
    first, second = images.sample, target.sample  # (S, D)
    smaller = min(len(first), len(second))
    size = min(SUBSET_SIZE, smaller // 2) if subset_size is None else subset_size
    if not 2 <= size <= smaller:
        raise HflowError(
            f"KID in subsets of {max(2, size)} needs as many images on both sides and 4 at least, not {smaller}"
        )
    random = np.random.default_rng(seed)
    values = []
    for _ in range(subsets):
        a, b = (random.choice(len(sample), size, replace=False) for sample in (first, second))
        values.append(float(poly_mmd(second[b], first[a])))
    return Kid(float(np.mean(values)), float(np.std(values)), size)
