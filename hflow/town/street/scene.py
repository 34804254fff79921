"""What a street looks like without its colours: of every pixel the surface, the distance, the light and the class."""

from dataclasses import dataclass
from enum import IntEnum, auto

import numpy as np

from hflow.foundation.labels import CITYSCAPES

__all__ = ["FAR", "LABEL_ID", "SUPERSAMPLING", "Scene", "Surface"]

FAR = 400.0
"""Metres to the sky, and to everything that would be farther away."""

SUPERSAMPLING = 2
"""Rendered pixels along each side of a picture's pixel."""

LABEL_ID = {c.name: c.id for c in CITYSCAPES}
"""The Cityscapes label id of each class name."""


class Surface(IntEnum):
    """What a pixel shows; a look gives each surface its colours."""

    SKY = 0
    ASPHALT = auto()
    MARKING = auto()
    PAVING = auto()
    KERB = auto()
    GRASS = auto()
    PLASTER = auto()
    BRICK = auto()
    WINDOW = auto()
    DOOR = auto()
    ROOF = auto()
    CONCRETE = auto()
    FENCE = auto()
    GAP = auto()
    METAL = auto()
    HOUSING = auto()
    LAMP = auto()
    SIGN = auto()
    LEAVES = auto()
    BARK = auto()
    SKIN = auto()
    CLOTH = auto()
    PAINT = auto()
    GLASS = auto()
    TYRE = auto()
    CARGO = auto()


@dataclass(frozen=True)
class Scene:
    """A street without its colours. All but `labels` are (2H, 2W): SUPERSAMPLING times the picture's size."""

    labels: np.ndarray
    """uint8 (H, W), Cityscapes label ids."""
    surface: np.ndarray
    """uint8, a `Surface`."""
    variant: np.ndarray
    """float32 in [0, 1): which of a surface's colours; the same all over an object."""
    depth: np.ndarray
    """float32, metres along the ray, at most FAR."""
    elevation: np.ndarray
    """float32 in [-1, 1], sine of the ray's angle above the horizon."""
    sun: np.ndarray
    """float32 in [0, 1]: direct sunlight, 0 in the shade."""
    ambient: np.ndarray
    """float32 in [0, 1]: how much of the sky the surface sees."""
    pattern: np.ndarray
    """float32 in [-1, 1]: what is regular in a texture (bricks, slabs, panels)."""
    grain: np.ndarray
    """float32 in [-1, 1]: what is irregular in it (gravel, leaves, dirt, clouds)."""
