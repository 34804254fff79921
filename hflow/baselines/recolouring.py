"""What a user would do instead of training a network: four ways to give a frame the colours of an image.

Each takes a frame and a style, uint8 (H, W, 3) and (h, w, 3), RGB, and gives the frame anew, uint8 (H, W, 3):

    >>> frame, style = np.zeros((4, 6, 3), np.uint8), np.full((2, 2, 3), 90, np.uint8)
    >>> int(reinhard(frame, style).max())
    90
"""

import math

import numpy as np
from PIL import Image
from skimage.exposure import match_histograms

from hflow.baselines.pixels import from_lab, to_lab, to_pixels

__all__ = ["fda", "gpa", "histogram", "reinhard"]


def histogram(frame: np.ndarray, style: np.ndarray) -> np.ndarray:
    """Each channel's values mapped, in order, so that its histogram becomes the style's (scikit-image)."""
    channels = zip(np.moveaxis(frame, -1, 0), np.moveaxis(style, -1, 0), strict=True)
    matched = [to_pixels(match_histograms(f.astype(np.float64), s.astype(np.float64))) for f, s in channels]
    return np.stack(matched, axis=-1)


def reinhard(frame: np.ndarray, style: np.ndarray) -> np.ndarray:
    """Colour transfer of Reinhard and others (2001): each channel gets the mean and the std of the style's.

    In CIELAB (D65) instead of the paper's lαβ, as most implementations do it. Colours that RGB doesn't have are cut
    off, so the statistics of what comes out differ a little.
    """
    wanted_mean, wanted_std = _mean_and_std(to_lab(style))
    content = to_lab(frame)  # (H, W, 3)
    mean, std = _mean_and_std(content)
    content -= mean
    content *= wanted_std / np.maximum(std, 1e-6)
    content += wanted_mean
    return from_lab(content)


def _mean_and_std(lab: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of each channel, (3,)."""
    return lab.mean(axis=(0, 1)), lab.std(axis=(0, 1))


def fda(frame: np.ndarray, style: np.ndarray, *, beta: float) -> np.ndarray:
    """Fourier domain adaptation (Yang and Soatto 2020): the amplitudes of the lowest frequencies are the style's.

    Args:
        frame, style: as of all four; the style is brought to the frame's size first.
        beta: half the side of the square of frequencies that change, as a share of the frame's shorter side, from 0,
            which changes nothing, to 0.5, which changes all of a square frame; the paper's are 0.01, 0.05 and 0.09.
    """
    if beta == 0:
        return frame.copy()
    height, width, _ = frame.shape
    fitted = np.asarray(Image.fromarray(style).resize((width, height), Image.Resampling.BICUBIC))
    reach = math.floor(beta * min(height, width))
    rows = np.flatnonzero(np.abs(np.fft.fftfreq(height) * height) <= reach)
    out = np.empty_like(frame)
    for channel in range(3):  # one at a time, which takes a third of the memory
        # The other half of the frequencies of a picture says the same.
        content, target = (np.fft.rfft2(image[..., channel]) for image in (frame, fitted))
        low = np.ix_(rows, np.arange(min(reach + 1, content.shape[1])))
        content[low] = np.abs(target[low]) * np.exp(1j * np.angle(content[low]))
        out[..., channel] = to_pixels(np.fft.irfft2(content, (height, width)))
    return out


def gpa(frame: np.ndarray, style: np.ndarray, *, beta: float = 0.01) -> np.ndarray:
    """Global photometric alignment (Ma and others 2021): a gamma for lightness, histograms for the two colour channels.

    In CIELAB (D65). The gamma is the one in [0.2, 5] whose mean lightness comes nearest to the style's, less `beta`
    times its squared distance from 1; a gamma keeps the order and the smoothness of what is light and dark, where a
    matched histogram tears a nearly flat sky apart.

    Args:
        frame, style: uint8 (H, W, 3) and (h, w, 3), RGB.
        beta: the penalty on a strong gamma; the paper's.
    """
    content, target = to_lab(frame), to_lab(style)  # (H, W, 3)
    lightness, wanted = np.clip(content[..., 0] / 100, 0, 1), float(np.clip(target[..., 0] / 100, 0, 1).mean())
    levels, counts = np.unique(np.rint(lightness * 255) / 255, return_counts=True)
    gammas = np.exp(np.linspace(np.log(0.2), np.log(5), 401))  # one of them is 1
    means = (levels[:, None] ** gammas * (counts / counts.sum())[:, None]).sum(axis=0)  # (401,)
    gamma = gammas[np.argmin((means - wanted) ** 2 + beta * (gammas - 1) ** 2)]
    content[..., 0] = 100 * lightness**gamma
    for channel in (1, 2):
        content[..., channel] = match_histograms(content[..., channel], target[..., channel])
    return from_lab(content)
