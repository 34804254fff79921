"""AdaIN gives the statistics asked for, in both of its forms."""

import pytest
import torch

from hflow.model.adain import adain, adain_as_affine


@pytest.mark.parametrize("scale", [1e-2, 1.0, 1e3])
def test_adain_gives_the_mean_and_the_size_of_the_std_asked_for(scale: float) -> None:
    torch.manual_seed(0)
    mean, std = torch.randn(3, 5, dtype=torch.float64), torch.randn(3, 5, dtype=torch.float64)
    x = scale * torch.randn(3, 5, 40, 60, dtype=torch.float64) + 7
    out = adain(x, mean, std, eps=0.0)
    assert torch.allclose(out.mean(dim=(2, 3)), mean, atol=1e-9)
    assert torch.allclose(out.std(dim=(2, 3)), std.abs(), atol=1e-9)


def test_adain_adds_1e5_to_the_unbiased_variance() -> None:
    x = torch.tensor([0.0, 2.0]).reshape(1, 1, 1, 2).double()
    out = adain(x, torch.zeros(1, 1).double(), torch.ones(1, 1).double())
    assert out[0, 0, 0, 1].item() == pytest.approx(1 / (2 + 1e-5) ** 0.5, abs=1e-12)


def test_the_affine_form_is_the_same() -> None:
    torch.manual_seed(0)
    x, mean, std = torch.randn(3, 5, 8, 9).double(), torch.randn(3, 5).double(), torch.randn(3, 5).double()
    variance, centre = torch.var_mean(x, dim=(2, 3), keepdim=True, correction=1)
    gain, offset = adain_as_affine(centre, variance, mean, std)
    assert torch.allclose(gain * x + offset, adain(x, mean, std), rtol=0, atol=1e-12)
