"""The coupling's contract: its inverse, and AdaIN's statistics."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hflow.model.coupling import Coupling, adain

couplings = st.builds(
    lambda channels, expansion, seed: _coupling(channels, expansion, seed),
    st.integers(1, 4),
    st.integers(2, 6),
    st.integers(0, 2**31),
)


def _coupling(channels: int, expansion: int, seed: int) -> Coupling:
    torch.manual_seed(seed)
    coupling = Coupling(channels, expansion).double()
    torch.nn.init.normal_(coupling.fusion)
    return coupling


def _input(coupling: Coupling) -> torch.Tensor:
    channels = coupling.affine_net[0].in_channels
    return torch.randn(2, channels, 9, 12, dtype=torch.float64)


@settings(deadline=None, max_examples=25)
@given(couplings)
def test_inverse_without_style_takes_back_all_but_the_weighted_parts(coupling: Coupling) -> None:
    x = _input(coupling)
    y, a = coupling(x)
    parts = a.chunk(coupling.expansion, dim=1)
    remaining = torch.cumprod(1 - coupling.fusion, dim=0)
    expected = x - sum(part * weight for part, weight in zip(parts[:-1], remaining, strict=True))
    assert torch.allclose(coupling.inverse(y, a), expected, rtol=0, atol=1e-10)


@settings(deadline=None, max_examples=25)
@given(couplings)
def test_inverse_without_style_is_exact_at_fusion_weights_of_one(coupling: Coupling) -> None:
    torch.nn.init.ones_(coupling.fusion)
    x = _input(coupling)
    assert torch.allclose(coupling.inverse(*coupling(x)), x, rtol=0, atol=1e-10)


def test_fusion_weights_start_at_one_half() -> None:
    assert torch.equal(Coupling(3, 10).fusion, torch.full((9,), 0.5))


def test_forward_gives_the_running_difference() -> None:
    coupling = _coupling(2, 3, 0)
    x = _input(coupling)
    y, a = coupling(x)
    first, second, third = a.chunk(3, dim=1)
    assert torch.allclose(y, torch.cat([x - first, x - first - second, x - first - second - third], dim=1))


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
