"""What a user would do to dark or hazy pictures instead of training a network: a gamma, CLAHE, the dark channel prior.

Each takes and gives what the ways of recolouring do; CLAHE and the dark channel prior look at no style.
"""

import numpy as np
from skimage.exposure import equalize_adapthist

from hflow.baselines.pixels import from_lab, to_lab, to_pixels
from hflow.datasets.tensors import to_tensor
from hflow.model.correction import dehaze

__all__ = ["clahe", "dark_channel", "gamma"]


def gamma(frame: np.ndarray, style: np.ndarray) -> np.ndarray:
    """All values to the power, in [0.1, 10], that brings their mean nearest to the style's."""
    values = np.arange(256) / 255
    powers = values[:, None] ** np.geomspace(0.1, 10, 401)  # (256, 401)
    share = np.bincount(frame.ravel(), minlength=256) / frame.size
    chosen = np.argmin(np.abs(share @ powers - style.mean() / 255))
    return to_pixels(255 * powers[:, chosen])[frame]


def clahe(frame: np.ndarray, _style: np.ndarray) -> np.ndarray:
    """Contrast limited adaptive histogram equalisation (Zuiderveld 1994) of the lightness of CIELAB (scikit-image)."""
    lab = to_lab(frame)  # (H, W, 3)
    lab[..., 0] = 100 * equalize_adapthist(np.clip(lab[..., 0] / 100, 0, 1))
    return from_lab(lab)


def dark_channel(frame: np.ndarray, _style: np.ndarray) -> np.ndarray:
    """Dehazing by the dark channel prior, as `hflow.model.correction` has it."""
    return to_pixels(255 * dehaze(to_tensor(frame)[None])[0].permute(1, 2, 0).double().numpy())
