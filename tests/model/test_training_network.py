"""The pass that training runs is the network, in value and in gradient."""

import pytest
import torch

from hflow.model import HierarchyFlow
from hflow.model.training_network import TrainingNetwork


@pytest.mark.parametrize("expansions", [(3,), (4, 2)])
@pytest.mark.parametrize("batch", [1, 2])
def test_it_is_the_network(expansions: tuple[int, ...], batch: int) -> None:
    torch.manual_seed(0)
    network = HierarchyFlow(expansions)
    content, style = torch.rand(2, batch, 3, 24, 32)  # (B, 3, H, W) each
    network.start_from(style.split(1))
    wanted = network(content, style)
    found = TrainingNetwork(network)(content, style)
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-4)
    parameters = list(network.parameters())
    gradients = [torch.autograd.grad(out.square().mean(), parameters) for out in (found, wanted)]
    torch.testing.assert_close(*gradients, atol=1e-5, rtol=1e-3)


def test_in_bfloat16_it_is_near() -> None:
    torch.manual_seed(0)
    network = HierarchyFlow((4, 2))
    content, style = torch.rand(2, 2, 3, 24, 32)
    network.start_from(style.split(1))
    with torch.autocast("cpu", torch.bfloat16):
        found = TrainingNetwork(network)(content, style)
    assert found.dtype == torch.float32
    assert (found - network(content, style)).abs().mean() < 0.5 / 255
