"""The coupling's contract: its inverse."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hflow.model.coupling import Coupling

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


@settings(max_examples=25)
@given(couplings)
def test_inverse_without_style_takes_back_all_but_the_weighted_parts(coupling: Coupling) -> None:
    x = _input(coupling)
    y, a = coupling(x)
    parts = a.chunk(coupling.expansion, dim=1)
    remaining = torch.cumprod(1 - coupling.fusion, dim=0)
    expected = x - sum(part * weight for part, weight in zip(parts[:-1], remaining, strict=True))
    assert torch.allclose(coupling.inverse(y, a), expected, rtol=0, atol=1e-10)


@settings(max_examples=25)
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


@settings(max_examples=25)
@given(couplings)
def test_the_inverse_is_a_sum_by_the_fusion_weights(coupling: Coupling) -> None:
    y, a = coupling(_input(coupling))
    parts = zip(coupling.fusion_weights(), (y + a).chunk(coupling.expansion, dim=1), strict=True)
    assert torch.allclose(sum(weight * part for weight, part in parts), coupling.inverse(y, a), rtol=0, atol=1e-10)
