"""Statistics by the kernels of batch normalisation are those that the equations name, and so are their gradients."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from hflow.model.adain import adain
from hflow.model.channel_statistics import instance_norm, moments, restyle


def _maps(dtype: torch.dtype = torch.float64) -> Tensor:
    torch.manual_seed(0)
    x = 3 + 2 * torch.randn(2, 5, 6, 7, dtype=dtype)  # (B, C, H, W)
    return x.contiguous(memory_format=torch.channels_last)


def _same(one: Tensor, other: Tensor, x: Tensor, *inputs: Tensor) -> None:
    torch.testing.assert_close(one, other)
    weights = torch.randn_like(one)
    gradients = [torch.autograd.grad((out * weights).sum(), [x, *inputs]) for out in (one, other)]
    torch.testing.assert_close(*gradients)


def test_moments() -> None:
    x = _maps().requires_grad_()
    variance, mean = torch.var_mean(x, dim=(2, 3), correction=1)
    _same(torch.stack(moments(x)), torch.stack([mean, variance]), x)


def test_instance_norm() -> None:
    x = _maps().requires_grad_()
    _same(instance_norm(x), F.instance_norm(x), x)


def test_restyle_is_adain() -> None:
    x = _maps().requires_grad_()
    mean, std = torch.randn(2, 2, 5, dtype=torch.float64).requires_grad_().unbind()
    _same(restyle(x, mean, std), adain(x, mean, std), x, mean, std)


@pytest.mark.parametrize("number", [0, 1])
def test_of_bfloat16_they_are_float32(number: int) -> None:
    x = _maps(torch.bfloat16)
    found, wanted = moments(x)[number], moments(x.float())[number]
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, wanted)
    torch.testing.assert_close(instance_norm(x).float(), F.instance_norm(x.float()), atol=0.02, rtol=0.01)
