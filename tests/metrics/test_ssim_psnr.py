"""SSIM and PSNR agree with scikit-image, SSIM with torchmetrics too, and do what their definitions say."""

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from torch import Tensor
from torchmetrics.functional.image import structural_similarity_index_measure

from hflow.metrics.ssim_psnr import psnr, ssim


def _pixels(image: Tensor, *, reflected: int = 0) -> np.ndarray:
    margin = ((reflected, reflected), (reflected, reflected), (0, 0))
    return np.pad(image.permute(1, 2, 0).double().numpy(), margin, mode="reflect")


def test_ssim_is_that_of_scikit_image(pairs: tuple[Tensor, Tensor]) -> None:
    """Which leaves out a margin of half a window: so the picture is reflected outwards by as much first."""
    theirs = [
        structural_similarity(
            _pixels(a, reflected=5),
            _pixels(b, reflected=5),
            data_range=1.0,
            channel_axis=-1,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
        )
        for a, b in zip(*pairs, strict=True)
    ]
    assert ssim(*pairs).tolist() == pytest.approx(theirs, abs=1e-4)


def test_ssim_of_an_image_in_bands_is_that_of_the_whole(
    pairs: tuple[Tensor, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = ssim(*pairs)
    for pixels in (1, 7 * pairs[0].shape[3]):
        monkeypatch.setattr("hflow.metrics.ssim_psnr.BAND", pixels)
        assert torch.allclose(ssim(*pairs), whole, atol=1e-6)


def test_ssim_is_that_of_torchmetrics(pairs: tuple[Tensor, Tensor]) -> None:
    theirs = structural_similarity_index_measure(*pairs, data_range=1.0, reduction="none")
    assert isinstance(theirs, Tensor)
    assert ssim(*pairs).tolist() == pytest.approx(theirs.tolist(), abs=1e-4)


def test_psnr_is_that_of_scikit_image(pairs: tuple[Tensor, Tensor]) -> None:
    theirs = [peak_signal_noise_ratio(_pixels(b), _pixels(a), data_range=1.0) for a, b in zip(*pairs, strict=True)]
    assert psnr(*pairs).tolist() == pytest.approx(theirs, abs=1e-4)


def test_an_image_is_most_like_itself() -> None:
    torch.manual_seed(0)
    images = torch.rand(2, 3, 32, 48)
    assert ssim(images, images).tolist() == pytest.approx([1, 1], abs=1e-6)
    assert psnr(images, images).tolist() == [float("inf")] * 2


def test_less_noise_is_closer() -> None:
    torch.manual_seed(0)
    images, noise = torch.rand(1, 3, 32, 48), torch.randn(1, 3, 32, 48)
    for metric in (ssim, psnr):
        values = [metric((images + amount * noise).clamp(0, 1), images).item() for amount in (0.02, 0.1, 0.4)]
        assert values == sorted(values, reverse=True)
