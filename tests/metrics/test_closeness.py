"""Closeness to the truth: equal pairs are closest, and one of them doesn't make a mean infinite."""

import pytest
import torch

from hflow.metrics.closeness import MOST_DECIBELS, Closeness, closeness, mean_closeness
from hflow.metrics.lpips import ShiftTolerantVGG, load_vgg


@pytest.fixture(scope="module")
def vgg() -> ShiftTolerantVGG:
    return load_vgg()


def test_it_falls_with_the_distance_from_the_truth(vgg: ShiftTolerantVGG) -> None:
    truth = torch.rand(1, 3, 24, 32, generator=torch.Generator().manual_seed(0)) * 0.5
    equal, near, far = (closeness(truth + shift, truth, vgg) for shift in (0, 0.1, 0.3))
    assert equal == Closeness(MOST_DECIBELS, pytest.approx(1), pytest.approx(0, abs=1e-6))
    assert near.psnr == pytest.approx(20, abs=1e-3)  # an error of a tenth everywhere
    assert equal.psnr > near.psnr > far.psnr
    assert equal.ssim > near.ssim > far.ssim
    assert near.lpips is not None
    assert far.lpips is not None
    assert 0 < near.lpips < far.lpips


def test_images_too_small_for_the_network_have_the_rest(vgg: ShiftTolerantVGG) -> None:
    image = torch.rand(1, 3, 12, 40)
    found = closeness(image, 1 - image, vgg)
    assert found.lpips is None
    means = mean_closeness([found, Closeness(found.psnr + 2, found.ssim, 0.5)])
    assert means.psnr == pytest.approx(found.psnr + 1)
    assert means.lpips == 0.5
