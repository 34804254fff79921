"""Pixels from values, and colours in CIELAB, in little memory beside what comes out."""

from collections.abc import Iterator

import numpy as np
from skimage.color import lab2rgb, rgb2lab

__all__ = ["from_lab", "to_lab", "to_pixels"]

BAND = 1 << 16
"""Pixels that are converted at once: scikit-image takes several times the memory of its result."""


def to_lab(pixels: np.ndarray) -> np.ndarray:
    """CIELAB (D65) of uint8 RGB, float64 (H, W, 3)."""
    lab = np.empty(pixels.shape)
    for rows in _bands(pixels):
        lab[rows] = rgb2lab(pixels[rows])
    return lab


def from_lab(lab: np.ndarray) -> np.ndarray:
    """uint8 (H, W, 3), RGB, of CIELAB (D65); what RGB doesn't have is cut off."""
    pixels = np.empty(lab.shape, np.uint8)
    for rows in _bands(lab):
        # Lightness ends at 0 and 100, and yellow where scikit-image cuts it too, with a warning.
        lightness, red, yellow = np.moveaxis(lab[rows], -1, 0)
        lightness = np.clip(lightness, 0, 100)
        yellow = np.minimum(yellow, 199.99 * (lightness + 16) / 116)
        pixels[rows] = to_pixels(255 * lab2rgb(np.stack([lightness, red, yellow], axis=-1)))
    return pixels


def to_pixels(values: np.ndarray) -> np.ndarray:
    """uint8 of values from 0 to 255, rounded, cut off beyond."""
    rounded = np.rint(values)
    return np.clip(rounded, 0, 255, out=rounded).astype(np.uint8)


def _bands(image: np.ndarray) -> Iterator[slice]:
    height, width = image.shape[:2]
    rows = max(1, BAND // width)
    return (slice(top, top + rows) for top in range(0, height, rows))
