"""The colour of a label to its id: by a table of classes, or by the official colours of Cityscapes and GTA5."""

from collections.abc import Mapping

import numpy as np

from hflow.foundation.errors import HflowError
from hflow.foundation.labels import CITYSCAPES, GTA5_COLOURS, IGNORE

__all__ = ["ids_of_colours", "ids_of_official_colours"]

Colour = tuple[int, int, int]


def ids_of_colours(pixels: np.ndarray, colours: Mapping[Colour, int]) -> np.ndarray:
    """Raw ids, uint8 (H, W), of colours, uint8 (H, W, 3).

    Raises:
        HflowError: a colour is not in the table; it is named.
    """
    packed = pixels.astype(np.uint32) @ np.array([65536, 256, 1], np.uint32)  # (H, W)
    found, places = np.unique(packed, return_inverse=True)
    ids = []
    for number in found.tolist():
        colour = (number >> 16, number >> 8 & 255, number & 255)
        if colour not in colours:
            raise HflowError(f"has a colour of no class: the colour {colour} is not in the table of classes")
        ids.append(colours[colour])
    return np.array(ids, np.uint8)[places].reshape(packed.shape)


def ids_of_official_colours(colours: np.ndarray) -> np.ndarray:
    """Cityscapes label ids of an image of the official colours, those of Cityscapes or of GTA5.

    Args:
        colours: uint8, (H, W, 3).

    Returns:
        uint8, (H, W). A colour that several ids share gets the smallest of them that is trained on, else the smallest.

    Raises:
        HflowError: a colour that is not in the table; it is named.
    """
    packed = _pack(colours)  # (H, W)
    known = np.full(1 << 24, IGNORE, np.uint8)
    known[_pack(np.array(GTA5_COLOURS[4], np.uint8))] = 4
    # Written in this order, ids that are trained on win over others, and smaller ids over larger ones.
    for c in sorted(CITYSCAPES, key=lambda c: (c.train_id == IGNORE, c.id), reverse=True):
        known[_pack(np.array(c.colour, np.uint8))] = c.id
    ids = known[packed]  # (H, W)
    if (ids == IGNORE).any():
        red, green, blue = colours[ids == IGNORE][0]
        raise HflowError(
            f"has a colour of no class: the colour ({red}, {green}, {blue}) is not one of the official label colours"
        )
    return ids


def _pack(colours: np.ndarray) -> np.ndarray:
    channels = colours.astype(np.int32)
    return (channels[..., 0] << 16) | (channels[..., 1] << 8) | channels[..., 2]
