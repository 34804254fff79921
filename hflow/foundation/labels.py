"""Label maps: the classes of Cityscapes, their colours there and in GTA5, and raw ids to train ids.

Source of the table: cityscapesScripts, helpers/labels.py (class names, ids, train ids, colours).
Playing for Data (Richter et al. 2016) stores its labels by the same ids.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

__all__ = [
    "CITYSCAPES",
    "GTA5_COLOURS",
    "IGNORE",
    "TRAIN_CLASSES",
    "CityscapesClass",
    "cityscapes_ids",
    "ids_to_colours",
    "train_id_table",
]

IGNORE = 255
"""The train id of pixels that belong to no class trained on."""


@dataclass(frozen=True)
class CityscapesClass:
    """One line of the Cityscapes table: `id` as in labelIds files, `train_id` 255 where it is not trained on."""

    name: str
    id: int
    train_id: int
    colour: tuple[int, int, int]


CITYSCAPES = tuple(
    CityscapesClass(*line)
    for line in (
        ("unlabeled", 0, IGNORE, (0, 0, 0)),
        ("ego vehicle", 1, IGNORE, (0, 0, 0)),
        ("rectification border", 2, IGNORE, (0, 0, 0)),
        ("out of roi", 3, IGNORE, (0, 0, 0)),
        ("static", 4, IGNORE, (0, 0, 0)),
        ("dynamic", 5, IGNORE, (111, 74, 0)),
        ("ground", 6, IGNORE, (81, 0, 81)),
        ("road", 7, 0, (128, 64, 128)),
        ("sidewalk", 8, 1, (244, 35, 232)),
        ("parking", 9, IGNORE, (250, 170, 160)),
        ("rail track", 10, IGNORE, (230, 150, 140)),
        ("building", 11, 2, (70, 70, 70)),
        ("wall", 12, 3, (102, 102, 156)),
        ("fence", 13, 4, (190, 153, 153)),
        ("guard rail", 14, IGNORE, (180, 165, 180)),
        ("bridge", 15, IGNORE, (150, 100, 100)),
        ("tunnel", 16, IGNORE, (150, 120, 90)),
        ("pole", 17, 5, (153, 153, 153)),
        ("polegroup", 18, IGNORE, (153, 153, 153)),
        ("traffic light", 19, 6, (250, 170, 30)),
        ("traffic sign", 20, 7, (220, 220, 0)),
        ("vegetation", 21, 8, (107, 142, 35)),
        ("terrain", 22, 9, (152, 251, 152)),
        ("sky", 23, 10, (70, 130, 180)),
        ("person", 24, 11, (220, 20, 60)),
        ("rider", 25, 12, (255, 0, 0)),
        ("car", 26, 13, (0, 0, 142)),
        ("truck", 27, 14, (0, 0, 70)),
        ("bus", 28, 15, (0, 60, 100)),
        ("caravan", 29, IGNORE, (0, 0, 90)),
        ("trailer", 30, IGNORE, (0, 0, 110)),
        ("train", 31, 16, (0, 80, 100)),
        ("motorcycle", 32, 17, (0, 0, 230)),
        ("bicycle", 33, 18, (119, 11, 32)),
    )
)

GTA5_COLOURS = {c.id: c.colour for c in CITYSCAPES} | {4: (20, 20, 20), 34: (0, 0, 142)}
"""The colour of each id in GTA5's labels. Source: label/initLabels.m of Playing for Data; 34 is license plate."""

TRAIN_CLASSES = tuple(c.name for c in CITYSCAPES if c.train_id != IGNORE)
"""The 19 class names in the order of their train ids."""


def cityscapes_ids() -> dict[int, str]:
    """Raw label id to class name, for the layouts `gta` and `cityscapes`."""
    return {c.id: c.name for c in CITYSCAPES}


def ids_to_colours(ids: np.ndarray) -> np.ndarray:
    """The official colours, uint8 (H, W, 3), of Cityscapes label ids, uint8 (H, W); black for other values."""
    palette = np.zeros((256, 3), np.uint8)
    for c in CITYSCAPES:
        palette[c.id] = c.colour
    return palette[ids]  # (H, W, 3)


def train_id_table(raw: Mapping[int, str], classes: Sequence[str]) -> np.ndarray:
    """A lookup table from raw id to train id.

    Args:
        raw: class name of each raw id, 0 to 255.
        classes: the class names to train on; a name's place is its train id.

    Returns:
        uint8, (256,): `table[label]` are train ids; 255 for a raw id whose class is not among `classes`.
    """
    table = np.full(256, IGNORE, np.uint8)
    for raw_id, name in raw.items():
        if name in classes:
            table[raw_id] = list(classes).index(name)
    return table
