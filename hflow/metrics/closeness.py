"""How close images come to what they should be: PSNR, SSIM and ST-LPIPS of pairs."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from hflow.metrics.lpips import MIN_SIDE, ShiftTolerantVGG
from hflow.metrics.ssim_psnr import psnr, ssim

__all__ = ["MOST_DECIBELS", "Closeness", "closeness", "mean_closeness"]

MOST_DECIBELS = 100.0
"""The PSNR that equal images count with, so that one equal pair doesn't make a mean infinite."""


@dataclass(frozen=True)
class Closeness:
    """Of one pair of images, or the means over several pairs.

    Attributes:
        psnr: decibels, at most MOST_DECIBELS; higher is closer.
        ssim: at most 1; higher is closer.
        lpips: ST-LPIPS, at least 0; lower is closer. None where an image is too small for its network.
    """

    psnr: float
    ssim: float
    lpips: float | None


def closeness(image: Tensor, truth: Tensor, vgg: ShiftTolerantVGG) -> Closeness:
    """The closeness of an image to its truth.

    Args:
        image, truth: (1, 3, H, W) in [0, 1], on the device of `vgg`, H and W at least 11.
        vgg: for ST-LPIPS.
    """
    large = min(image.shape[2:]) >= MIN_SIDE
    return Closeness(
        min(psnr(image, truth).item(), MOST_DECIBELS),
        ssim(image, truth).item(),
        vgg.distance(image, truth).item() if large else None,
    )


def mean_closeness(pairs: Sequence[Closeness]) -> Closeness:
    """The means over pairs, at least one."""
    known = [pair.lpips for pair in pairs if pair.lpips is not None]
    return Closeness(
        math.fsum(pair.psnr for pair in pairs) / len(pairs),
        math.fsum(pair.ssim for pair in pairs) / len(pairs),
        math.fsum(known) / len(known) if known else None,
    )
