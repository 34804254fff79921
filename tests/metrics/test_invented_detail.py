"""Invented detail: nothing for a recolouring, much for halos, grain and things that were not there."""

import pytest
import torch

from hflow.metrics.invented_detail import invented_detail


@pytest.fixture
def source() -> torch.Tensor:
    """Sky over a street, (1, 3, 48, 96), with a little texture."""
    torch.manual_seed(0)
    picture = torch.full((1, 3, 48, 96), 0.7)
    picture[..., 24:, :] = 0.3
    return (picture + 0.02 * torch.randn_like(picture)).clamp(0, 1)


def test_a_recolouring_invents_next_to_nothing(source: torch.Tensor) -> None:
    assert invented_detail(source, 0.6 * source + torch.tensor([0.1, 0.0, 0.2])[:, None, None]).item() < 1
    assert invented_detail(source, source).item() < 1


def test_a_halo_grain_and_a_new_thing_each_raise_it(source: torch.Tensor) -> None:
    halo = source.clone()
    halo[..., 21:24, :] += 0.1
    grain = source + 0.04 * torch.randn_like(source)
    thing = source.clone()
    thing[..., 5:10, 40:45] = 0
    for changed in (halo, grain, thing):
        assert invented_detail(source, changed).item() > 2


def test_noise_of_one_grey_level_counts_about_one_and_a_frame_counts_by_itself(source: torch.Tensor) -> None:
    flat = torch.full_like(source, 0.5)
    noisy = flat + torch.randn_like(flat) / 255
    alone = invented_detail(flat, noisy)
    assert alone.item() == pytest.approx(1, abs=0.1)
    both = invented_detail(torch.cat([flat, source]), torch.cat([noisy, source]))
    assert both[0].item() == pytest.approx(alone.item(), rel=1e-4)
