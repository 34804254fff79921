"""How much of the content a translation kept, pixel by pixel; lpips.py tells it in features."""

from torch import Tensor
from torchmetrics.functional.image import peak_signal_noise_ratio, structural_similarity_index_measure

__all__ = ["psnr", "ssim"]


def ssim(images: Tensor, reference: Tensor) -> Tensor:
    """Structural similarity (Wang et al. 2004) of each image to its reference, at their own size.

    A Gaussian window of 11 pixels and standard deviation 1.5; the mean over the three colour channels and the whole
    picture, which is reflected at its edges.

    Args:
        images, reference: (B, 3, H, W) in [0, 1], H and W at least 11.

    Returns:
        (B,), at most 1; higher is closer, 1 is equal.
    """
    value = structural_similarity_index_measure(images, reference, data_range=1.0, reduction="none")
    assert isinstance(value, Tensor)
    return value.reshape(len(images))


def psnr(images: Tensor, reference: Tensor) -> Tensor:
    """Peak signal-to-noise ratio of each image to its reference, from the mean squared error over pixels and channels.

    Args:
        images, reference: (B, 3, H, W) in [0, 1].

    Returns:
        (B,), decibels; higher is closer, infinite where they are equal.
    """
    return peak_signal_noise_ratio(images, reference, data_range=1.0, reduction="none", dim=(1, 2, 3))
