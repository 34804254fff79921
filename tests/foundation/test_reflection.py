"""Reflection padding by our own hand is PyTorch's, values and gradients."""

import pytest
import torch
from torch.nn import functional as F

from hflow.foundation.reflection import reflect_pad


@pytest.mark.parametrize("pixels", [1, 3])
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last], ids=str)
def test_it_is_pytorchs(pixels: int, memory_format: torch.memory_format) -> None:
    x = torch.rand(2, 3, 5, 7).contiguous(memory_format=memory_format).requires_grad_()
    ours, theirs = reflect_pad(x, pixels), F.pad(x, [pixels] * 4, mode="reflect")
    assert torch.equal(ours, theirs)
    assert ours.is_contiguous(memory_format=memory_format)
    weights = torch.rand_like(ours)
    (one,), (other,) = (torch.autograd.grad((y * weights).sum(), x) for y in (ours, theirs))
    assert torch.allclose(one, other, atol=1e-6)
