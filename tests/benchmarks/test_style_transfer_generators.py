"""The networks of artistic style transfer have the sizes known of them, and ArtFlow's way back is its inverse."""

import torch
from torch import nn

from hflow.benchmarks.style_transfer_generators import adain_generator, artflow_generator


def test_adain_has_an_encoder_and_a_decoder_of_three_and_a_half_million_parameters_each() -> None:
    generator = adain_generator().eval()
    assert sum(p.numel() for p in generator.parameters()) == 3_505_728 + 3_505_219
    with torch.inference_mode():
        assert generator(torch.rand(1, 3, 32, 48)).shape == (1, 3, 32, 48)


def test_artflow_has_six_and_a_half_million_parameters() -> None:
    generator = artflow_generator().eval()
    assert 6_400_000 < sum(p.numel() for p in generator.parameters()) < 6_500_000
    with torch.inference_mode():
        assert generator(torch.rand(1, 3, 32, 48)).shape == (1, 3, 32, 48)


def test_artflow_without_a_style_gives_the_picture_back() -> None:
    torch.manual_seed(0)
    generator = artflow_generator().double().eval()
    generator.transfer = nn.Identity()
    picture = torch.rand(1, 3, 16, 24, dtype=torch.float64)
    with torch.inference_mode():
        assert torch.allclose(generator(picture), picture, atol=1e-6)
