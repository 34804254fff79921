"""ST-LPIPS is that of its package, a distance, and tolerant of shifts."""

import sys
import types

import pytest
import torch
from torch import Tensor, nn

from hflow.metrics.lpips import ShiftTolerantVGG, load_vgg


@pytest.fixture(scope="module")
def network() -> ShiftTolerantVGG:
    return load_vgg()


@pytest.fixture(scope="module")
def theirs() -> nn.Module:
    """The package's own module, which needs imports that it does not declare."""
    for name, attribute in (("IPython", "embed"), ("torchsummary", "summary")):
        if name not in sys.modules:
            sys.modules[name] = types.ModuleType(name)
            setattr(sys.modules[name], attribute, None)
    from stlpips_pytorch.stlpips import LPIPS

    return LPIPS(net="vgg", variant="shift_tolerant", verbose=False)


def test_the_distance_is_that_of_its_package(
    network: ShiftTolerantVGG, theirs: nn.Module, pairs: tuple[Tensor, Tensor]
) -> None:
    with torch.no_grad():
        expected = theirs(*pairs, normalize=True).flatten()
    assert torch.allclose(network.distance(*pairs), expected, atol=1e-5)
    assert (expected > 1e-3).all()


def test_it_is_a_distance_without_order(network: ShiftTolerantVGG) -> None:
    torch.manual_seed(0)
    a, b = torch.rand(2, 3, 40, 56), torch.rand(2, 3, 40, 56)
    assert torch.equal(network.distance(a, a), torch.zeros(2))
    assert torch.allclose(network.distance(a, b), network.distance(b, a), atol=1e-6)
    assert torch.allclose(network.distance(a, b)[1:], network.distance(a[1:], b[1:]), atol=1e-6)


def test_a_shift_by_a_pixel_is_less_than_a_blur(network: ShiftTolerantVGG) -> None:
    torch.manual_seed(0)
    picture = nn.functional.interpolate(torch.rand(1, 3, 12, 20), size=(65, 97), mode="bicubic").clamp(0, 1)
    reference, shifted = picture[..., 1:, 1:], picture[..., :-1, :-1]
    blurred = nn.functional.avg_pool2d(reference, 9, stride=1, padding=4, count_include_pad=False)
    assert network.distance(shifted, reference) < network.distance(blurred, reference)
