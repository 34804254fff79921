"""Colour error: how far a frame's colours are from its style's, over the picture and class by class, in CIELAB."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from skimage.color import rgb2lab

from hflow.foundation.labels import IGNORE

__all__ = [
    "ColourStatistics",
    "class_colour_error",
    "class_statistics",
    "colour_error",
    "colour_statistics",
    "mean_class_error",
    "pooled",
]

LEAST_PIXELS = 50
"""A class with fewer in either picture has no statistics worth comparing."""


@dataclass(frozen=True)
class ColourStatistics:
    """The mean and the std of lightness, green-red and blue-yellow, (3,) each, in CIELAB (D65, about [0, 100] and
    [-128, 127])."""

    mean: np.ndarray
    std: np.ndarray

    def distance(self, other: "ColourStatistics") -> float:
        """The 2-Wasserstein distance of the two as Gaussians with independent channels, in units of CIELAB.

        The root of the squared differences of means and of stds, summed over the channels: 0 is equal, 2.3 is a
        difference of two flat colours that people just see, 10 is obvious.
        """
        return float(np.sqrt(np.square(self.mean - other.mean).sum() + np.square(self.std - other.std).sum()))


def colour_statistics(pixels: np.ndarray) -> ColourStatistics:
    """Of a picture, uint8 (H, W, 3), or of some of its pixels, uint8 (N, 3), N at least 1; RGB."""
    lab = rgb2lab(pixels.reshape(1, -1, 3))[0]  # (N, 3)
    return ColourStatistics(lab.mean(axis=0), lab.std(axis=0))


def colour_error(frame: np.ndarray, style: np.ndarray) -> float:
    """The distance of the two pictures' statistics; see `ColourStatistics.distance`. Lower is better.

    A frame that shows more sky than its style ought to differ from it: `class_colour_error` asks class by class.

    Args:
        frame, style: uint8 (H, W, 3), RGB; their sizes may differ.

    Example:
        >>> colour_error(np.full((4, 6, 3), 90, np.uint8), np.full((2, 2, 3), 90, np.uint8))
        0.0
    """
    return colour_statistics(frame).distance(colour_statistics(style))


def class_statistics(pixels: np.ndarray, ids: np.ndarray) -> dict[int, ColourStatistics]:
    """The statistics of every class that has `LEAST_PIXELS` in a picture.

    Args:
        pixels: uint8 (H, W, 3), RGB.
        ids: (H, W), train ids; 255 leaves a pixel out.
    """
    found, counts = np.unique(ids[ids != IGNORE], return_counts=True)
    return {
        int(i): colour_statistics(pixels[ids == i]) for i, n in zip(found, counts, strict=True) if n >= LEAST_PIXELS
    }


def class_colour_error(
    frame: np.ndarray, frame_ids: np.ndarray, wanted: Mapping[int, ColourStatistics]
) -> dict[int, float]:
    """By train id, the distance of the frame's statistics to those wanted; classes missing in either are left out.

    Args:
        frame: uint8 (H, W, 3), RGB.
        frame_ids: (H, W), train ids of the frame.
        wanted: by train id, such as `class_statistics` of the style, or `pooled` ones of the whole target.
    """
    ours = class_statistics(frame, frame_ids)
    return {i: ours[i].distance(wanted[i]) for i in sorted(ours) if i in wanted}


def mean_class_error(frame: np.ndarray, frame_ids: np.ndarray, wanted: Mapping[int, ColourStatistics]) -> float | None:
    """One figure of `class_colour_error`: the mean over the classes, each weighted by the root of its share.

    None where no class has both statistics.
    """
    errors = class_colour_error(frame, frame_ids, wanted)
    if not errors:
        return None
    return float(np.average(list(errors.values()), weights=[np.mean(frame_ids == i) ** 0.5 for i in errors]))


def pooled(statistics: Sequence[Mapping[int, ColourStatistics]]) -> dict[int, ColourStatistics]:
    """The typical statistics of each class over many pictures: the mean of their means, and of their stds."""
    return {
        i: ColourStatistics(
            np.mean([s[i].mean for s in statistics if i in s], axis=0),
            np.mean([s[i].std for s in statistics if i in s], axis=0),
        )
        for i in sorted({i for s in statistics for i in s})
    }
