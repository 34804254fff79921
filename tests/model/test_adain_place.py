"""Which couplings get the style's statistics: the innermost alone is the same network on every way of running it."""

from pathlib import Path

import pytest
import torch

from hflow.model import HierarchyFlow
from hflow.model.store import StyleBank, load_model, model_files
from hflow.model.training_network import TrainingNetwork
from hflow.training.style_fit import fit_styles
from hflow.training.warm_up import learn_styles
from hflow.translation import Translator


@pytest.fixture
def pictures() -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    return torch.rand(2, 3, 40, 48), torch.rand(2, 3, 32, 32)


def test_innermost_alone_is_algorithm_two_without_statistics_further_out(
    pictures: tuple[torch.Tensor, torch.Tensor],
) -> None:
    content, style = pictures
    network = HierarchyFlow((3, 2), adain="innermost").eval()
    outer, inner = network.couplings
    with torch.no_grad():
        (wanted,) = network.asked(network.encode_style(style))
        y, of_outer = outer(network.pad(content))
        z, of_inner = inner(y)
        back = outer.inverse(inner.inverse(z, of_inner, *wanted), of_outer)
        assert torch.allclose(network(content, style), back[..., 10:-10, 10:-10].clamp(0, 1), atol=1e-6)


def test_every_translator_and_training_give_the_same(pictures: tuple[torch.Tensor, torch.Tensor]) -> None:
    content, style = pictures
    network = HierarchyFlow((4, 2, 2), adain="innermost").eval()
    with torch.no_grad():
        expected = network(content, style)
        assert torch.allclose(TrainingNetwork(network)(content, style), expected, atol=1e-4)
        assert not torch.allclose(HierarchyFlow((4, 2, 2))(content, style), expected, atol=1e-2)
    for backend in ("plain", "strips", "whole"):
        images = Translator(network, styles=style, precision="fp32", backend=backend)(content)
        assert torch.allclose(images, expected, atol=1e-4)


def test_its_style_net_starts_learns_and_is_kept_for_that_coupling(tmp_path: Path) -> None:
    torch.manual_seed(0)
    images = torch.rand(6, 1, 3, 24, 32)
    network = HierarchyFlow((3, 2), adain="innermost")
    assert len(network.style_mappings) == 1
    network.start_from(images[:1])
    fit_styles(network, lambda i: images[i], len(images))
    losses = learn_styles(network, lambda i: images[i], len(images), steps=3, seed=0)
    assert len(losses) == 3
    for name, content in model_files(network, StyleBank(torch.zeros(1, 8), ["a"]), {}).items():
        (tmp_path / name).write_bytes(content)
    again = load_model(tmp_path).network
    assert again.adain == "innermost"
    with torch.no_grad():
        assert torch.equal(again(images[0], images[1]), network.eval()(images[0], images[1]))
