"""The texture of surfaces: what is regular in it (bricks, slabs) and what is not (gravel, leaves, clouds)."""

import numpy as np

from hflow.town.street.scene import Surface

__all__ = ["textures"]

_JOINTS = (
    (Surface.BRICK, 0.8, 0.35, 0.2, 0.5),
    (Surface.PAVING, 1.0, 1.0, 0.12, 0.0),
    (Surface.CONCRETE, 2.5, 1.2, 0.06, 0.0),
    (Surface.ROOF, 0.5, 0.4, 0.25, 0.5),
    (Surface.CARGO, 1.0, 9.0, 0.1, 0.0),
)
"""Surfaces of equal pieces: metres across and up, the joint's share of the height, each row's shift in pieces."""


def textures(
    surface: np.ndarray,
    across: np.ndarray,
    place: np.ndarray,
    rays: np.ndarray,
    ground: np.ndarray,
    pixel: np.ndarray,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """`pattern` and `grain` of a scene; both fade where a pixel covers more than they could show.

    Args:
        surface: uint8 (H, W).
        across: (H, W), metres along the upright planes.
        place: (H, W, 3), where in the world each pixel is, metres.
        rays: (H, W, 3), unit directions in the world.
        ground: bool (H, W), the pixels that show the ground.
        pixel: (H, W), metres that a pixel covers.
        rng: decides the grain.
    """
    a = np.where(ground, place[..., 0], across)
    b = np.where(ground, place[..., 2], place[..., 1])
    sky = surface == Surface.SKY
    a = np.where(sky, rays[..., 0] / (np.abs(rays[..., 1]) + 0.12) * 3, a)
    b = np.where(sky, 1 / (np.abs(rays[..., 1]) + 0.12) * 1.5, b)

    return _pattern(surface, a, b, pixel), _grain(surface, a, b, pixel, rng)


def _pattern(surface: np.ndarray, a: np.ndarray, b: np.ndarray, pixel: np.ndarray) -> np.ndarray:
    """In [-1, 1] (H, W): the joints between bricks, slabs, tiles and panels; a, b: metres across and up."""
    pattern = np.zeros_like(a)
    for kind, length, height, joint, shift in _JOINTS:
        on = surface == kind
        row = b[on] / height
        column = a[on] / length + shift * np.floor(row)
        line = (row % 1 < joint) | (column % 1 < joint * height / length)
        pattern[on] = np.where(line, -1.0, 0.25) * np.clip(1.2 * height / pixel[on] - 0.6, 0, 1)
    return np.clip(pattern, -1, 1)


def _grain(
    surface: np.ndarray, a: np.ndarray, b: np.ndarray, pixel: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """In [-1, 1] (H, W): noise in small cells and, smooth, in large ones; a, b: metres across and up."""
    sky = surface == Surface.SKY
    cell = np.full(len(Surface), 0.5, np.float32)  # metres
    cell[[Surface.ASPHALT, Surface.MARKING, Surface.GRASS]] = 0.12
    cell[[Surface.LEAVES, Surface.PAVING]] = 0.3
    fine = cell[surface]
    table = rng.uniform(-1, 1, (64, 64)).astype(np.float32)
    fade = np.where(sky, 0, np.clip(1.6 * fine / pixel - 0.3, 0, 1))
    grain = 0.6 * fade * table[np.floor(a / fine).astype(np.int32) & 63, np.floor(b / fine).astype(np.int32) & 63]
    wide = np.where(sky, 1, fine * 8)
    grain += 0.5 * _smooth(table, a / wide, b / wide)
    grain[sky] += 0.3 * _smooth(table, 2.7 * a[sky], 2.7 * b[sky])  # smaller clouds within the large

    rough = np.full(len(Surface), 0.6, np.float32)
    rough[[Surface.LEAVES, Surface.GRASS]] = 1.6, 1.2
    rough[[Surface.ASPHALT, Surface.SKY, Surface.PAVING]] = 1.0
    rough[[Surface.PAINT, Surface.GLASS, Surface.WINDOW, Surface.SIGN, Surface.LAMP]] = 0.2
    return np.clip(grain * rough[surface], -1, 1)


def _smooth(table: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Values of the table (64, 64) at places between its cells."""
    i, j = np.floor(a).astype(np.int32), np.floor(b).astype(np.int32)
    u, v = a - i, b - j
    u, v = u * u * (3 - 2 * u), v * v * (3 - 2 * v)
    i, j, right, above = i & 63, j & 63, (i + 1) & 63, (j + 1) & 63
    low = table[i, j] * (1 - u) + table[right, j] * u
    high = table[i, above] * (1 - u) + table[right, above] * u
    return low * (1 - v) + high * v
