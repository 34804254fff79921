"""NIQE: how natural an image looks by itself, without a reference."""

import functools
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from scipy.ndimage import correlate, correlate1d
from scipy.special import gamma

__all__ = ["BLOCK", "block_statistics", "niqe"]

BLOCK = 96
"""Pixels a side of the blocks whose statistics are taken, those that the pristine model was fitted to."""

LEAST_BLOCKS = 2
WINDOW, SIGMA = 7, 7 / 6
SHAPES = np.arange(0.2, 10.001, 0.001)
RATIOS = gamma(2 / SHAPES) ** 2 / (gamma(1 / SHAPES) * gamma(3 / SHAPES))
PRISTINE = "metrics/niqe_pris_params.npz"
"""The authors' model (University of Texas at Austin, 2012) in the package basicsr 1.4.2, which is not imported."""

NEIGHBOURS = ((0, 1), (1, 0), (1, 1), (1, -1))
HALF = np.array([-3, -9, 29, 111, 111, 29, -9, -3]) / 256
"""Taps by which MATLAB's imresize halves an image: bicubic, stretched to twice its width."""


def niqe(pixels: np.ndarray) -> float | None:
    """The Natural Image Quality Evaluator (Mittal, Soundararajan, Bovik 2013).

    The distance between two Gaussians over 36 statistics of an image's blocks: one of the image, the other of pristine
    photographs, as its authors have fitted it; that model ships in the package basicsr.

    Args:
        pixels: uint8 (H, W, 3), RGB; what is over a multiple of 96 pixels at the right and at the bottom is left out.

    Returns:
        At least 0, about 3 to 5 for a photograph; lower is more natural. None for an image of less than two blocks of
        96x96, or without any texture, and where basicsr is not installed.
    """
    pristine = _pristine()
    if pristine is None:
        return None
    features = block_statistics(pixels)
    whole = features[np.isfinite(features).all(axis=1)]
    if len(whole) < LEAST_BLOCKS:
        return None
    mean, covariance = pristine
    apart = mean - np.nanmean(np.where(np.isfinite(features), features, np.nan), axis=0)  # (36,)
    inverse = np.linalg.pinv((covariance + np.cov(whole, rowvar=False)) / 2)
    return float(np.sqrt(apart @ inverse @ apart))


def block_statistics(pixels: np.ndarray) -> np.ndarray:
    """The 36 statistics of each block of 96x96 of an image, uint8 (H, W, 3): (blocks, 36); nan in a flat block."""
    rows, columns = (side // BLOCK for side in pixels.shape[:2])
    if not rows * columns:
        return np.empty((0, 36))
    grey = _luma(pixels[: rows * BLOCK, : columns * BLOCK])  # (H, W)
    half = correlate1d(correlate1d(grey, HALF, 0, mode="reflect", origin=-1), HALF, 1, mode="reflect", origin=-1)
    return np.concatenate(
        [_block_features(image, BLOCK // scale) for scale, image in ((1, grey), (2, half[::2, ::2]))], axis=1
    )  # (blocks, 36)


@functools.cache
def _pristine() -> tuple[np.ndarray, np.ndarray] | None:
    """The mean, (36,), and the covariance, (36, 36), of pristine photographs; None where basicsr is not installed."""
    package = find_spec("basicsr")
    if package is None or not package.submodule_search_locations:
        return None
    with np.load(Path(package.submodule_search_locations[0]) / PRISTINE) as model:
        return model["mu_pris_param"].ravel(), model["cov_pris_param"]


def _luma(pixels: np.ndarray) -> np.ndarray:
    """Y of ITU-R BT.601 in [16, 235], whole numbers, float64 (H, W)."""
    return np.round(pixels.astype(np.float64) @ np.array([65.481, 128.553, 24.966]) / 255 + 16)


def _block_features(image: np.ndarray, side: int) -> np.ndarray:
    """Eighteen statistics of each block, (blocks, 18)."""
    normal = _normalised(image)
    height, width = normal.shape
    blocks = normal.reshape(height // side, side, width // side, side).swapaxes(1, 2).reshape(-1, side, side)
    return np.array([_features(block) for block in blocks])


def _normalised(image: np.ndarray) -> np.ndarray:
    """The image less its local mean, over its local deviation and 1."""
    taps = np.exp(-((np.arange(WINDOW) - WINDOW // 2) ** 2) / (2 * SIGMA**2))
    window = np.outer(taps, taps) / taps.sum() ** 2
    mean = correlate(image, window, mode="nearest")
    deviation = np.sqrt(np.abs(correlate(image**2, window, mode="nearest") - mean**2))
    return (image - mean) / (deviation + 1)


def _features(block: np.ndarray) -> list[float]:
    shape, left, right = _asymmetric_gaussian(block)
    found = [shape, (left + right) / 2]
    for shift in NEIGHBOURS:
        shape, left, right = _asymmetric_gaussian(block * np.roll(block, shift, axis=(0, 1)))
        found += [shape, (right - left) * gamma(2 / shape) / gamma(1 / shape), left, right]
    return found


def _asymmetric_gaussian(values: np.ndarray) -> tuple[float, float, float]:
    """Shape, left and right scale of the generalised Gaussian that fits values of mean 0; nan without both signs."""
    negative, positive = values[values < 0], values[values > 0]
    if not (negative.size and positive.size):
        return np.nan, np.nan, np.nan
    left, right = (float(np.sqrt(np.mean(part**2))) for part in (negative, positive))
    skew = left / right
    ratio = np.mean(np.abs(values)) ** 2 / np.mean(values**2) * (skew**3 + 1) * (skew + 1) / (skew**2 + 1) ** 2
    shape = SHAPES[np.argmin((RATIOS - ratio) ** 2)]
    scale = np.sqrt(gamma(1 / shape) / gamma(3 / shape))
    return float(shape), float(left * scale), float(right * scale)
