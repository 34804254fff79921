"""The generators of other methods have the shapes and the numbers of parameters that are known of them."""

import pytest
import torch

from hflow.benchmarks.other_generators import cut_generator, cyclegan_generator


@pytest.mark.parametrize("make", [cyclegan_generator, cut_generator])
def test_size_and_parameters(make):
    generator = make().eval()
    assert sum(p.numel() for p in generator.parameters()) == 11_378_179
    with torch.inference_mode():
        assert generator(torch.rand(1, 3, 32, 48)).shape == (1, 3, 32, 48)


def test_sampling_up_and_down_keeps_a_flat_picture():
    from hflow.benchmarks.other_generators import _Down, _Up

    flat = torch.full((1, 2, 8, 10), 0.7)
    assert torch.allclose(_Down(2)(flat), flat[..., ::2, ::2])
    assert torch.allclose(_Up(2)(flat), torch.full((1, 2, 16, 20), 0.7))
