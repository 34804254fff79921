"""Translation strip by strip computes what the network's equations say."""

import itertools

import pytest
import torch

from hflow.foundation.params import VARIANTS
from hflow.model import HierarchyFlow
from hflow.model.strip_transfer import StripTransfer


def network(expansions: tuple[int, ...]) -> HierarchyFlow:
    """A network whose fusion weights and statistics are none of the special ones that it starts with."""
    torch.manual_seed(0)
    network = HierarchyFlow(expansions).eval()
    network.start_from([torch.rand(1, 3, 40, 40)])
    for coupling in network.couplings:
        torch.nn.init.uniform_(coupling.fusion, 0.2, 0.8)
    return network


@pytest.mark.parametrize("expansions", [(4,), *(e for e in VARIANTS.values() if len(e) < 4)], ids=str)
@pytest.mark.parametrize("size", [(11, 12), (37, 50), (64, 96)], ids=str)
def test_folding_changes_no_pixel_by_a_hundredth_of_a_grey_level(expansions, size):
    plain = network(expansions)
    content, code = torch.rand(2, 3, *size), torch.randn(2, 8)
    with torch.inference_mode():
        wanted = plain.transfer(content, code)
    assert wanted.std() > 0.05
    assert (StripTransfer(plain)(content, code) - wanted).abs().max() < 0.01 / 255


@pytest.mark.parametrize("rows", [1, 7, 1000])
def test_the_height_of_a_strip_changes_rounding_alone(rows):
    plain = network((10, 4))
    content, code = torch.rand(1, 3, 30, 41), torch.randn(1, 8)
    assert torch.allclose(StripTransfer(plain, rows)(content, code), StripTransfer(plain)(content, code), atol=1e-5)


@pytest.mark.parametrize(
    ("expansions", "block", "dtype"),
    [
        *itertools.product([(4,), (10, 4), (4, 5, 2)], [1, 41, 6 * 61, 10**6], [torch.float32]),
        *(((10, 4), block, torch.bfloat16) for block in (41, 10**6)),
    ],
    ids=str,
)
def test_what_is_computed_again_is_what_would_have_been_kept(expansions, block, dtype, monkeypatch):
    monkeypatch.setattr("hflow.model.strip_affine_net.BLOCK", block)
    plain = network(expansions)
    content, code = torch.rand(2, 3, 30, 41), torch.randn(2, 8)
    kept = StripTransfer(plain, dtype=dtype)(content, code)
    again = StripTransfer(plain, dtype=dtype, kept=0)(content, code)
    assert torch.allclose(again, kept, atol=1e-5 if dtype == torch.float32 else 0.02)


def test_a_frame_depends_neither_on_its_batch_nor_on_the_frames_before():
    fold = StripTransfer(network((10, 4)))
    frames, codes = torch.rand(3, 3, 40, 56), torch.randn(3, 8)
    together = fold(frames, codes)
    fold(torch.rand(1, 3, 90, 70), codes[:1])
    alone = torch.cat([fold(frame[None], code[None]) for frame, code in zip(frames, codes, strict=True)])
    assert torch.equal(together, alone)


def test_content_of_another_shape_is_refused():
    with pytest.raises(ValueError, match=r"\(B, 3, H, W\)"):
        StripTransfer(network((4,)))(torch.rand(1, 3, 10, 40), torch.randn(1, 8))
