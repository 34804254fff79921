"""What a user would do to dark or hazy pictures instead of training a network: a gamma, CLAHE, the dark channel prior.

Each takes and gives what the ways of recolouring do; CLAHE and the dark channel prior look at no style.
"""

import numpy as np
import torch
from scipy.ndimage import minimum_filter
from skimage.color import rgb2lab
from skimage.exposure import equalize_adapthist

from hflow.baselines.pixels import from_lab, to_pixels
from hflow.datasets.tensors import to_tensor
from hflow.foundation.guided_filter import local_affine

__all__ = ["clahe", "dark_channel", "gamma"]

OMEGA, LEAST_TRANSMISSION = 0.95, 0.1
"""Of the dark channel prior: the share of the haze that is taken away, and the transmission below which none is."""

DARK_WINDOW, GUIDE_RADIUS = 15, 30
"""Pixels: the width of the windows of the dark channel, the radius of the filter that fits it to edges."""


def gamma(frame: np.ndarray, style: np.ndarray) -> np.ndarray:
    """All values to the power, in [0.1, 10], that brings their mean nearest to the style's."""
    values = np.arange(256) / 255
    powers = values[:, None] ** np.geomspace(0.1, 10, 401)  # (256, 401)
    share = np.bincount(frame.ravel(), minlength=256) / frame.size
    chosen = np.argmin(np.abs(share @ powers - style.mean() / 255))
    return to_pixels(255 * powers[:, chosen])[frame]


def clahe(frame: np.ndarray, _style: np.ndarray) -> np.ndarray:
    """Contrast limited adaptive histogram equalisation (Zuiderveld 1994) of the lightness of CIELAB (scikit-image)."""
    lab = rgb2lab(frame)  # (H, W, 3)
    lab[..., 0] = 100 * equalize_adapthist(np.clip(lab[..., 0] / 100, 0, 1))
    return from_lab(lab)


def dark_channel(frame: np.ndarray, _style: np.ndarray) -> np.ndarray:
    """Dehazing by the dark channel prior (He, Sun and Tang 2011), its transmission refined by a guided filter (2013).

    The air light is the brightest value, by channel, among the thousandth of the pixels whose dark channel is highest.
    """
    values = frame / 255  # (H, W, 3)
    dark = minimum_filter(values.min(axis=2), DARK_WINDOW)
    haziest = np.argsort(dark, axis=None)[-max(1, dark.size // 1000) :]
    air = np.maximum(values.reshape(-1, 3)[haziest].max(axis=0), 1e-3)  # (3,)
    rough = 1 - OMEGA * minimum_filter((values / air).min(axis=2), DARK_WINDOW)
    transmission = np.maximum(_refined(frame, rough), LEAST_TRANSMISSION)[..., None]
    return to_pixels(255 * ((values - air) / transmission + air))


def _refined(frame: np.ndarray, rough: np.ndarray) -> np.ndarray:
    """The map, (H, W), with the edges of the frame."""
    radius = min(GUIDE_RADIUS, *((side - 1) // 2 for side in rough.shape))
    maps = torch.from_numpy(rough).float().expand(1, 3, -1, -1)
    refined: np.ndarray = local_affine(to_tensor(frame)[None], maps, radius=radius, eps=1e-3)[0, 0].double().numpy()
    return refined
