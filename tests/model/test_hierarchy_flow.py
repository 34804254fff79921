"""The network: its size, its range, and that frames of a batch don't meet."""

import pytest
import torch

from hflow.foundation.params import VARIANTS
from hflow.model import HierarchyFlow

COUNTS = {
    (10,): 683_889,
    (4, 5): 747_745,
    (10, 4): 1_017_372,
    (4, 5, 2): 1_291_946,
    (10, 4, 4): 6_304_095,
    (10, 4, 4, 4): 90_695_778,
}


@pytest.fixture(scope="module")
def network() -> HierarchyFlow:
    torch.manual_seed(0)
    return HierarchyFlow((4, 2)).eval()


@pytest.mark.parametrize("expansions", COUNTS, ids=str)
def test_parameter_count_is_that_of_one_fusion_weight_a_step(expansions: tuple[int, ...]) -> None:
    with torch.device("meta"):
        network = HierarchyFlow(expansions)
    assert sum(p.numel() for p in network.parameters()) == COUNTS[expansions]


def test_every_variant_of_the_paper_is_among_them() -> None:
    assert set(VARIANTS.values()) <= set(COUNTS)


@torch.inference_mode()
def test_output_has_the_contents_shape_and_stays_in_range(network: HierarchyFlow) -> None:
    out = network(torch.rand(2, 3, 21, 34), torch.rand(2, 3, 40, 30))
    assert out.shape == (2, 3, 21, 34)
    assert out.min() >= 0
    assert out.max() <= 1


@torch.inference_mode()
def test_a_frame_comes_out_the_same_alone_or_in_a_batch(network: HierarchyFlow) -> None:
    content, style = torch.rand(3, 3, 32, 48), torch.rand(3, 3, 32, 48)
    together = network(content, style)
    alone = torch.cat([network(c[None], s[None]) for c, s in zip(content, style, strict=True)])
    assert (together - alone).abs().max() <= 1 / 255


@torch.inference_mode()
def test_the_same_batch_gives_the_same_bytes(network: HierarchyFlow) -> None:
    content, style = torch.rand(2, 3, 32, 48), torch.rand(2, 3, 32, 48)
    assert torch.equal(network(content, style), network(content, style))


@torch.inference_mode()
def test_the_style_decides_the_output(network: HierarchyFlow) -> None:
    content = torch.rand(1, 3, 32, 48)
    assert not torch.allclose(network(content, torch.zeros(1, 3, 32, 32)), network(content, torch.ones(1, 3, 32, 32)))


@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 1, 32, 32), (1, 3, 10, 32)])
def test_a_wrong_content_is_refused_by_its_shape(network: HierarchyFlow, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"content must be \(B, 3, H, W\)"):
        network.transfer(torch.rand(shape), torch.rand(1, 8))
