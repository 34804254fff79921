"""Pixels from values, and from colours in CIELAB."""

import numpy as np
from skimage.color import lab2rgb

__all__ = ["from_lab", "to_pixels"]


def from_lab(lab: np.ndarray) -> np.ndarray:
    """uint8 (H, W, 3), RGB, of CIELAB (D65); what RGB doesn't have is cut off."""
    # Lightness ends at 0 and 100, and yellow where scikit-image cuts it too, with a warning.
    lab[..., 0] = np.clip(lab[..., 0], 0, 100)
    lab[..., 2] = np.minimum(lab[..., 2], 199.99 * (lab[..., 0] + 16) / 116)
    return to_pixels(255 * lab2rgb(lab))


def to_pixels(values: np.ndarray) -> np.ndarray:
    """uint8 of values from 0 to 255, rounded, cut off beyond."""
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)
