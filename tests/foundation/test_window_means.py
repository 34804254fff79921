"""Means over windows are those of pooling that leaves out what is beyond the picture."""

import pytest
import torch
from torch.nn import functional as F

from hflow.foundation.window_means import window_means


@pytest.mark.parametrize("radius", [1, 2, 4, 8, 11])
def test_the_means_are_those_of_pooling(radius: int) -> None:
    maps = torch.rand(2, 3, 24, 31, generator=torch.Generator().manual_seed(0))
    width = 2 * radius + 1
    pooled = F.avg_pool2d(maps, width, stride=1, padding=radius, count_include_pad=False)
    assert torch.allclose(window_means(maps, radius), pooled, atol=1e-6)
