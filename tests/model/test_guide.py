"""The guided filter at the end of the network: no halo comes out, on any way of running it, and 0 leaves it out."""

import pytest
import torch

from hflow.metrics.invented_detail import invented_detail
from hflow.model import HierarchyFlow
from hflow.model.training_network import TrainingNetwork
from hflow.translation import Translator


@pytest.fixture
def pictures() -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    return torch.rand(2, 3, 40, 48), torch.rand(2, 3, 32, 32)


def test_with_a_guide_less_is_invented_and_without_one_nothing_changes(
    pictures: tuple[torch.Tensor, torch.Tensor],
) -> None:
    content, style = pictures
    network = HierarchyFlow((4, 2))
    for parameter in network.couplings.parameters():
        parameter.data *= 2
    with torch.no_grad():
        plain = network(content, style)
        network.guide = 4
        guided = network(content, style)
        network.guide = 0
        assert torch.equal(network(content, style), plain)
    assert (invented_detail(content, guided) < 0.7 * invented_detail(content, plain)).all()


def test_every_translator_gives_the_same_and_training_goes_without_it(
    pictures: tuple[torch.Tensor, torch.Tensor],
) -> None:
    content, style = pictures
    network = HierarchyFlow((4, 2), guide=3).eval()
    with torch.no_grad():
        expected = network(content, style)
        unfiltered = TrainingNetwork(network)(content, style)
        assert not torch.allclose(unfiltered, expected, atol=1e-2)
        assert torch.allclose(network.finish(content, unfiltered), expected, atol=1e-4)
    for backend in ("plain", "strips", "whole"):
        images = Translator(network, styles=style, precision="fp32", backend=backend)(content)
        assert torch.allclose(images, expected, atol=1e-4)
