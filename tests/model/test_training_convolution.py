"""A training's convolution is PyTorch's, in value and in gradient."""

import pytest
import torch
from torch import Tensor, nn

from hflow.model.training_convolution import FEW, convolve


def drawn(batch: int, channels: int, height: int, width: int) -> Tensor:
    """(B, C, H, W), channels last, with a gradient."""
    x = torch.randn(batch, channels, height, width).contiguous(memory_format=torch.channels_last)
    return x.requires_grad_()


@pytest.mark.parametrize("size", [(3, 3), (7, 5), (1, 4), (4, 1)])
@pytest.mark.parametrize("channels", [FEW - 1, FEW, 30])
@pytest.mark.parametrize("batch", [1, 3])
def test_it_is_the_layer(batch: int, channels: int, size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    layer, x = nn.Conv2d(channels, 20, 3, padding=1), drawn(batch, channels, *size)
    found, wanted = convolve(layer, x), layer(x)
    torch.testing.assert_close(found, wanted)
    slope = torch.randn_like(wanted)
    inputs = [x, *layer.parameters()]
    gradients = [torch.autograd.grad(y, inputs, slope) for y in (found, wanted)]
    torch.testing.assert_close(*gradients, atol=1e-5, rtol=1e-4)


def test_slopes_of_another_layout_are_taken() -> None:
    layer, x = nn.Conv2d(FEW, 8, 3, padding=1), drawn(2, FEW, 6, 6)
    slope = torch.randn(2, 8, 6, 6)
    gradients = [torch.autograd.grad(y, [x, *layer.parameters()], slope) for y in (convolve(layer, x), layer(x))]
    torch.testing.assert_close(*gradients, atol=1e-5, rtol=1e-4)


def test_under_autocast_it_is_in_bfloat16() -> None:
    layer, x = nn.Conv2d(FEW, 8, 3, padding=1), drawn(1, FEW, 6, 6)
    with torch.autocast("cpu", torch.bfloat16):
        assert convolve(layer, x).dtype == torch.bfloat16
    assert convolve(layer, x.detach()).dtype == torch.float32
