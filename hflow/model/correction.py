"""What is known beforehand of a task's light, done to a frame ahead of the network: a gamma, the dark channel prior.

The couplings change whole channels, and so take away neither haze, which grows with distance, nor the darkness that
leaves all contrast in a few grey levels. Not in the paper.
"""

import math
from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from hflow.foundation.guided_filter import contrast_eps, fitting_radius, local_affine

__all__ = ["RADIUS", "Correction", "brighten", "correct", "dark_channel", "dehaze"]

Correction = Literal["none", "gamma", "dark_channel"]

WELL_LIT = 0.45
"""The mean of a photograph that is neither dark nor bright."""

LEAST_POWER, GREATEST_POWER, HALVINGS = 0.1, 10.0, 12
"""Between which powers one is searched, and how often what is between them is halved."""

OMEGA, LEAST_TRANSMISSION = 0.95, 0.1
"""Of the dark channel prior: the share of the haze that is taken away, and the transmission below which none is."""

DARK_WINDOW = 15
"""Pixels: the width of the windows of the dark channel."""

NOISE = 4.0
"""How much more contrast than elsewhere counts as noise in what a gamma has lifted."""

RADIUS: Mapping[Correction, int] = {"none": 0, "gamma": 8, "dark_channel": 30}
"""Pixels: of the guided filter that keeps noise from being lifted, and of that which fits the transmission to edges."""


@torch.no_grad()
def correct(images: Tensor, correction: Correction) -> Tensor:
    """Images, (B, 3, H, W) in [0, 1], corrected, to the same."""
    if correction == "gamma":
        return brighten(images)
    return dehaze(images) if correction == "dark_channel" else images


def brighten(images: Tensor) -> Tensor:
    """To the power, one for each picture, that makes its mean that of a well lit photograph.

    A power lifts the noise of dark places too. What is left of it is the best local affine change of the dark picture's
    colours, in which edges stay.

    Args:
        images: (B, 3, H, W) in [0, 1].
    """
    images = images.float()
    seen = images[..., ::2, ::2]  # (B, 3, H/2, W/2), enough for a mean
    low = torch.full_like(seen[:, :1, :1, :1], math.log(LEAST_POWER))  # (B, 1, 1, 1)
    high = torch.full_like(low, math.log(GREATEST_POWER))
    for _ in range(HALVINGS):
        middle = (low + high) / 2  # (B, 1, 1, 1)
        bright = seen.pow(middle.exp()).mean(dim=(1, 2, 3), keepdim=True) > WELL_LIT
        low, high = torch.where(bright, middle, low), torch.where(bright, high, middle)
    bright = images.pow(((low + high) / 2).exp())
    radius = fitting_radius(RADIUS["gamma"], *images.shape[2:])
    return local_affine(images, bright, radius=radius, eps=NOISE * contrast_eps(images)).clamp(0, 1)


def dehaze(images: Tensor) -> Tensor:
    """Without haze, by the dark channel prior (He, Sun and Tang 2011), its transmission by a guided filter (2013).

    The air light is the brightest value, by channel, among the thousandth of the pixels whose dark channel is highest.

    Args:
        images: (B, 3, H, W) in [0, 1].
    """
    images = images.float()
    height, width = images.shape[2:]
    dark = dark_channel(images, DARK_WINDOW).flatten(1)  # (B, HW)
    haziest = dark.topk(max(1, height * width // 1000), dim=1).indices  # (B, N)
    air = images.flatten(2).gather(2, haziest[:, None].expand(-1, 3, -1)).amax(dim=2)  # (B, 3)
    air = air.clamp_min(1e-3)[..., None, None]
    rough = 1 - OMEGA * dark_channel(images / air, DARK_WINDOW)  # (B, 1, H, W)
    radius = fitting_radius(RADIUS["dark_channel"], height, width)
    refined = local_affine(images, rough.expand(-1, 3, -1, -1), radius=radius, eps=1e-3)[:, :1]  # (B, 1, H, W)
    return ((images - air) / refined.clamp_min(LEAST_TRANSMISSION) + air).clamp(0, 1)


def dark_channel(images: Tensor, window: int) -> Tensor:
    """The least value of any channel in the window around each pixel: of (B, C, H, W), (B, 1, H, W).

    Args:
        window: its width in pixels, odd.
    """
    return -F.max_pool2d(-images.amin(dim=1, keepdim=True), window, stride=1, padding=window // 2)
