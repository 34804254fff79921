"""Finding the camera of the target: what has to be done to translated frames until their fine structure is its."""

import functools
import itertools
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from hflow.datasets.pairs import whole_image
from hflow.datasets.tensors import to_pixels, to_tensor
from hflow.foundation.evenly_spaced import evenly_spaced
from hflow.foundation.progress import progress
from hflow.model import HierarchyFlow
from hflow.training.whole_images import MOST_PIXELS
from hflow.translation.camera import Camera

__all__ = ["find_camera", "fine_structure", "fit_camera"]

FRAMES, IMAGES = 8, 48
"""How many translated frames and target images, evenly spaced, are looked at."""

QUALITIES = (None, 95, 90, 75, 60, 45, 30)
NOISE = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0)
SHARPNESS = (0.0, -1.5, -1.0, -0.7, -0.5, -0.3, 0.25, 0.5, 0.75, 1.0, 1.5)
"""What is tried; of equally good ones the first. A sharpness below 0 is the sigma of a blur."""

SIDE = 256
"""Of the middle of a picture that is looked at, at most, in pixels."""

BLOCKS = slice(-1, None)
"""The part of what `fine_structure` gives that tells of JPEG's blocks."""

BANDS = np.linspace(0.05, 0.5, 10)
"""The edges of rings of frequencies, in cycles a pixel."""

QUANTISATION = 0.3
"""What rounding to whole levels adds to any noise, in grey levels."""

BLOCK, BLOCK_WEIGHT = 8, 10.0
"""The side of JPEG's blocks; how much a difference at their borders weighs beside one of the logarithms."""


@torch.no_grad()
def find_camera(
    network: HierarchyFlow,
    source: Sequence[dict[str, Any]],
    target: Sequence[dict[str, Any]],
    size: tuple[int, int] | None,
) -> Camera:
    """The camera that is between a network's frames and the target's images.

    Args:
        network: on any device.
        source, target: rows with "image", of frames and of target images.
        size: (width, height) that images are resized to, as in training; None leaves them. Of a frame of more than a
            megapixel the network takes the middle, since a smaller frame would have another fine structure.
    """
    device = next(network.parameters()).device
    rows = evenly_spaced(range(len(target)), IMAGES)
    images = [_middle(whole_image(target[number], size)) for number in rows]
    frames = []
    with progress("camera", min(FRAMES, len(source)), unit="frames") as advance:
        for number, row in enumerate(evenly_spaced(source, FRAMES)):
            content, style = (
                to_tensor(pixels)[None].to(device)  # (1, 3, H, W)
                for pixels in (
                    _middle(whole_image(row, size), MOST_PIXELS),
                    whole_image(target[rows[number % len(rows)]], size, MOST_PIXELS),
                )
            )
            frames.append(to_pixels(network(content, style)[0]))
            advance()
    return fit_camera(frames, images)


def fit_camera(frames: Sequence[np.ndarray], target: Sequence[np.ndarray]) -> Camera:
    """The simplest camera after which the frames' fine structure is as near to the target's as any brings it.

    As near is within what two halves of the target's images differ by themselves; simple is with few parts.

    Args:
        frames: translated, uint8 (H, W, 3) each, at least one, as they are to be handed on but for the camera.
        target: images of the camera, of about the same scale, at least one.
    """
    given = [_middle(frame) for frame in frames]
    structures = np.array([fine_structure(_middle(image)) for image in target])
    wanted = structures.mean(axis=0)
    noise = _distance(structures[::2].mean(axis=0), structures[1::2].mean(axis=0)) if len(target) > 1 else 0.0

    @functools.cache
    def seen(camera: Camera) -> np.ndarray:
        return np.mean([fine_structure(camera(frame, number)) for number, frame in enumerate(given)], axis=0)

    # By the borders of its blocks alone first: a coarse JPEG is flat inside them, as a blur is.
    qualities = [Camera(quality=quality) for quality in QUALITIES]
    rough = min(qualities, key=lambda camera: _distance(seen(camera)[BLOCKS], wanted[BLOCKS]))
    tried = [_with(rough, *values) for values in itertools.product(SHARPNESS, NOISE)]
    best = min(tried, key=lambda camera: _distance(seen(camera), wanted))
    tried += [*qualities, *(replace(best, quality=quality) for quality in QUALITIES)]
    distances = {camera: _distance(seen(camera), wanted) for camera in tried}
    enough = min(distances.values()) + noise
    return min((c for c, d in distances.items() if d <= enough), key=lambda camera: (_parts(camera), distances[camera]))


def fine_structure(pixels: np.ndarray) -> np.ndarray:
    """What tells a camera's pictures from others whatever they show, (B + 2,), float64.

    For each ring of frequencies the logarithm of its power over that of the widest structures, so that contrast does
    not count; the logarithm of the noise, by the median of the finest diagonal Haar wavelets (Donoho and Johnstone
    1994); and how much more brightness changes at the borders of JPEG's blocks than elsewhere.

    Args:
        pixels: (H, W, 3), uint8.
    """
    grey = pixels.astype(np.float64) @ (0.299, 0.587, 0.114)  # (H, W)
    height, width = grey.shape
    window = np.outer(np.hanning(height), np.hanning(width))
    power = np.abs(np.fft.fft2((grey - grey.mean()) * window)) ** 2  # (H, W)
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width)[None])
    rings = []
    for low, high in zip((0.0, *BANDS[:-1]), BANDS, strict=True):
        within = power[(frequency >= low) & (frequency < high)]
        rings.append(math.log(within.sum() / max(1, within.size) + 1))
    even = grey[: height // 2 * 2, : width // 2 * 2]
    diagonal = (even[::2, ::2] - even[1::2, ::2] - even[::2, 1::2] + even[1::2, 1::2]) / 2
    noise = float(np.median(np.abs(diagonal))) / 0.6745 if diagonal.size else 0.0
    return np.array([*(ring - rings[0] for ring in rings[1:]), math.log(noise + QUANTISATION), _blocks(grey)])


def _blocks(grey: np.ndarray) -> float:
    steps = np.abs(np.diff(grey, axis=1))  # (H, W - 1)
    at_border = np.arange(1, grey.shape[1]) % BLOCK == 0
    if not at_border.any():
        return 0.0
    return BLOCK_WEIGHT * math.log((steps[:, at_border].mean() + 0.1) / (steps[:, ~at_border].mean() + 0.1))


def _middle(pixels: np.ndarray, most_pixels: int | None = None) -> np.ndarray:
    """At most `SIDE` pixels a side, or so many together at the same ratio, begun at a multiple of JPEG's blocks."""
    height, width = pixels.shape[:2]
    less = 1.0 if most_pixels is None else min(1.0, (most_pixels / (height * width)) ** 0.5)
    rows, columns = (SIDE, SIDE) if most_pixels is None else (int(height * less), int(width * less))
    top, left = (max(0, room) // 2 // BLOCK * BLOCK for room in (height - rows, width - columns))
    return pixels[top : top + rows, left : left + columns]


def _with(camera: Camera, sharpness: float, noise: float) -> Camera:
    return replace(camera, blur=max(0.0, -sharpness), sharpen=max(0.0, sharpness), noise=noise)


def _parts(camera: Camera) -> int:
    return sum(map(bool, (camera.blur, camera.sharpen, camera.noise, camera.quality)))


def _distance(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.square(one - other).mean())
