"""Class by class to the target's colours: what labels that stay true allow, behind the network.

A network that sees one code for a whole picture moves all greys alike; the labels say which grey is road and which is
wall. So each class of a translated frame is moved, as a whole, to the mean colour that it has in the target.
"""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from skimage.color import lab2rgb, rgb2lab

from hflow.datasets.tensors import to_tensor
from hflow.foundation.errors import HflowError
from hflow.foundation.guided_filter import fitting_radius, local_affine
from hflow.foundation.labels import IGNORE

__all__ = ["ClassColours"]

RADIUS, EPS = 8, 1e-3
"""Of the guided filter that lets a class's shift end where the frame's own colours change, not in a hard line."""

LEAST_SHARE = 0.002
"""Of the frame: a class with less of it keeps its colours."""


class ClassColours:
    """Moves each class of a frame to its mean colour in the target.

    Args:
        config: a model's config.json; its `class_colours` holds mean colours, CIELAB, by the class's name.
        classes: of the frames; a name's place is its train id.

    Raises:
        HflowError: the model knows no colours of classes, or those of other classes.
    """

    def __init__(self, config: Mapping[str, Any], classes: Sequence[str]):
        self.wanted = config.get("class_colours") or {}
        if not any(self.wanted.values()):
            raise HflowError(
                "the model knows no colours of its target's classes: train it on a target with labels, or with "
                "loss.target_labels, or set translate.class_colours to false"
            )
        if list(self.wanted) != list(classes):
            raise HflowError(
                f"the model knows the colours of {', '.join(self.wanted)}, and the frames' classes are "
                f"{', '.join(classes)}: train it again, or set translate.class_colours to false"
            )

    def __call__(self, translated: np.ndarray, frame: np.ndarray, ids: np.ndarray) -> np.ndarray:
        """The translated frame with its classes' colours moved; pixels without a class move as all do on average.

        Args:
            translated, frame: after and before the network, uint8 (H, W, 3).
            ids: train ids, (H, W).

        Returns:
            uint8 (H, W, 3).
        """
        lab = rgb2lab(translated)  # (H, W, 3)
        shift = np.zeros_like(lab)
        moved = np.zeros(ids.shape, bool)
        for number, mean in enumerate(self.wanted.values()):
            of_class = ids == number
            if mean is not None and of_class.mean() >= LEAST_SHARE:
                shift[of_class] = mean - lab[of_class].mean(axis=0)
                moved |= of_class
        if not moved.any():
            return translated
        shift[ids == IGNORE] = shift[moved].mean(axis=0)
        radius = fitting_radius(RADIUS, *ids.shape)
        field = torch.from_numpy(shift).permute(2, 0, 1)[None].float()  # (1, 3, H, W)
        smooth = local_affine(to_tensor(frame)[None], field, radius=radius, eps=EPS)[0].permute(1, 2, 0)  # (H, W, 3)
        return _to_rgb(lab + smooth.numpy())


def _to_rgb(lab: np.ndarray) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that some colours lie outside of sRGB and are clipped
        rgb = lab2rgb(lab)
    return (rgb.clip(0, 1) * 255).round().astype(np.uint8)
