"""How much of the content a translation kept, pixel by pixel; lpips.py tells it in features."""

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["psnr", "ssim"]

HALF_WINDOW, SIGMA = 5, 1.5
C1, C2 = 0.01**2, 0.03**2

BAND = 1 << 18
"""Pixels that SSIM is measured over at once, for which its maps take 0.05 GB; larger images are measured in bands."""


def ssim(images: Tensor, reference: Tensor) -> Tensor:
    """Structural similarity (Wang et al. 2004) of each image to its reference, at their own size.

    A Gaussian window of 11 pixels and standard deviation 1.5; the mean over the three colour channels and the whole
    picture, which is reflected at its edges.

    Args:
        images, reference: (B, 3, H, W) in [0, 1], H and W at least 11.

    Returns:
        (B,), at most 1; higher is closer, 1 is equal.
    """
    # A CPU weighs each channel by itself quickly where channels come last; a Gaussian is a column's times a row's.
    order = torch.channels_last if images.device.type == "cpu" else torch.contiguous_format
    x, y = (F.pad(maps, [HALF_WINDOW] * 4, mode="reflect") for maps in (images, reference))  # (B, 3, H + 10, W + 10)
    height, width = images.shape[2:]
    rows = max(1, BAND // width)
    bands = [slice(top, min(top + rows, height) + 2 * HALF_WINDOW) for top in range(0, height, rows)]
    sums = [
        _ssim_map(*(maps[:, :, band].contiguous(memory_format=order) for maps in (x, y))).sum((1, 2, 3))
        for band in bands
    ]
    return torch.stack(sums).sum(0) / (3 * height * width)


def _ssim_map(x: Tensor, y: Tensor) -> Tensor:
    """SSIM pixel by pixel, (B, 3, H, W), of images padded by half a window, (B, 3, H + 10, W + 10)."""
    maps = torch.cat([x, y, x * x + y * y, x * y], dim=1)  # (B, 12, H + 10, W + 10)
    taps = torch.exp(-(torch.arange(-HALF_WINDOW, HALF_WINDOW + 1, device=maps.device) ** 2) / (2 * SIGMA**2))
    taps = (taps / taps.sum()).to(maps.dtype).expand(maps.shape[1], 1, -1)  # (12, 1, 11)
    maps = F.conv2d(maps, taps[..., None], groups=len(taps))
    maps = F.conv2d(maps, taps[:, :, None], groups=len(taps))
    mean_x, mean_y, squares, products = maps.chunk(4, dim=1)  # (B, 3, H, W)
    of_means, of_squares = mean_x * mean_y, mean_x * mean_x + mean_y * mean_y
    variances = (squares - of_squares).clamp_min(0)
    upper = (2 * of_means + C1) * (2 * (products - of_means) + C2)
    return upper / ((of_squares + C1) * (variances + C2))


def psnr(images: Tensor, reference: Tensor) -> Tensor:
    """Peak signal-to-noise ratio of each image to its reference, from the mean squared error over pixels and channels.

    Args:
        images, reference: (B, 3, H, W) in [0, 1].

    Returns:
        (B,), decibels; higher is closer, infinite where they are equal.
    """
    # Here, since importing it takes longer than importing PyTorch, and translation measures SSIM alone.
    from torchmetrics.functional.image import peak_signal_noise_ratio

    return peak_signal_noise_ratio(images, reference, data_range=1.0, reduction="none", dim=(1, 2, 3))
