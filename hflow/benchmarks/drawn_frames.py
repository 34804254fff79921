"""Frames to measure with, where no real ones are at hand."""

import numpy as np

__all__ = ["drawn_frame"]


def drawn_frame(number: int, size: tuple[int, int]) -> np.ndarray:
    """A smooth picture with some noise, which a PNG packs about as a photograph.

    Args:
        number: the same number gives the same picture.
        size: (width, height).

    Returns:
        (H, W, 3), uint8.
    """
    random = np.random.default_rng(number)
    y, x = np.mgrid[: size[1], : size[0]]
    waves = [np.sin(x * random.uniform(0.01, 0.1) + y * random.uniform(0.01, 0.1)) for _ in range(3)]
    pixels = 128 + 100 * np.stack(waves, axis=-1) + random.normal(0, 3, (size[1], size[0], 3))
    return np.clip(pixels, 0, 255).astype(np.uint8)
