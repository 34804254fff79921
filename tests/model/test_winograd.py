"""Winograd's convolution is the convolution."""

import pytest
import torch
from torch.nn import functional as F

from hflow.model.winograd import transform_weight, winograd_convolve


@pytest.mark.parametrize(("channels", "made", "rows", "tiles"), [(1, 1, 1, 1), (5, 3, 4, 2), (30, 60, 16, 9)])
def test_it_equals_the_convolution_but_for_rounding(channels, made, rows, tiles):
    torch.manual_seed(0)
    x = torch.randn(1, channels, rows + 2, 4 * tiles + 2).contiguous(memory_format=torch.channels_last)
    weight = torch.randn(made, channels, 3, 3)
    out = torch.empty(1, made, rows, 4 * tiles).contiguous(memory_format=torch.channels_last)
    winograd_convolve(x, transform_weight(weight), out, torch.empty(6 * channels * (rows + 2) * tiles))
    assert torch.allclose(out, F.conv2d(x, weight), atol=1e-4, rtol=1e-4)
