"""What is painted on the large planes: road and pavements on the ground, windows on houses, gaps in fences."""

import numpy as np

from hflow.town.street.plan import Plan
from hflow.town.street.scene import LABEL_ID, Surface

__all__ = ["paint_facades", "paint_fences", "paint_ground"]


def paint_ground(
    plan: Plan, ground: np.ndarray, place: np.ndarray, surface: np.ndarray, labels: np.ndarray, variant: np.ndarray
) -> None:
    """Writes road, markings, kerbs, pavements and grass into the pixels of the ground.

    Args:
        plan: what runs where.
        ground: bool (H, W), the pixels that show the ground.
        place: (H, W, 3), where in the world each pixel is, metres.
        surface: uint8 (H, W), changed.
        labels: uint8 (H, W), label ids, changed.
        variant: float32 (H, W), changed.
    """
    z = place[ground][:, 2]
    s = place[ground][:, 0] - plan.curve * z**2
    beyond = np.maximum(s - plan.right, plan.left - s)  # metres from the road's edge, negative on it
    start, end = plan.crossing
    across = (z > start) & (z < end)
    what, label = np.full(s.shape, Surface.GRASS, np.uint8), np.full(s.shape, LABEL_ID["terrain"], np.uint8)
    kind = np.zeros(s.shape, np.float32)

    def lay(where: np.ndarray, stuff: Surface, name: str, colour: float = 0.0) -> None:
        what[where], label[where], kind[where] = stuff, LABEL_ID[name], colour

    lay((beyond < plan.front + 0.6) & (beyond >= plan.verge), Surface.PAVING, "sidewalk")
    lay((beyond < 0.25) | (np.abs(beyond - plan.verge) < 0.12), Surface.KERB, "sidewalk")
    lay((np.abs(z - start) < 0.3) | (np.abs(z - end) < 0.3), Surface.KERB, "sidewalk")
    road = (beyond < 0) | across
    lay(road, Surface.ASPHALT, "road")
    lay(road & (beyond > -0.25), Surface.ASPHALT, "road", 0.9)  # the gutter
    free = road & ~across & ((z < start - 4) | (z > end + 4))
    dashed = (z % 6 < 3.2) if plan.curve > -0.0004 else np.ones_like(road)
    lay(free & dashed & (np.abs(s - plan.centre) < 0.09), Surface.MARKING, "road", 0.9)
    for edge in (plan.left + 2.15 * plan.parked[0] + 0.2, plan.right - 2.15 * plan.parked[1] - 0.2):
        lay(free & (np.abs(s - edge) < 0.08), Surface.MARKING, "road")
    zebra = ((z > start - 3.2) & (z < start - 0.4)) | ((z > end + 0.4) & (z < end + 3.2))
    lay(zebra & (beyond < -0.3) & (s % 1.1 < 0.55), Surface.MARKING, "road")
    lay((np.abs(z - start + 4) < 0.2) & (s > plan.centre) & (beyond < -0.3), Surface.MARKING, "road")
    surface[ground], labels[ground], variant[ground] = what, label, kind


def paint_facades(across: np.ndarray, up: np.ndarray, surface: np.ndarray, variant: np.ndarray) -> None:
    """Writes windows and doors into the walls of houses; each house has its own spacing.

    Args:
        across: (H, W), metres along the wall.
        up: (H, W), metres above the ground.
        surface: uint8 (H, W), changed.
        variant: float32 (H, W), changed; another number for each house.
    """
    wall = (surface == Surface.PLASTER) | (surface == Surface.BRICK)
    a, b, house = across[wall], up[wall], variant[wall]
    bay, storey = 2.0 + 1.4 * (house * 7.3 % 1), 2.9 + 0.8 * (house * 13.7 % 1)
    column, level = np.floor(a / bay), np.floor(b / storey)
    u, v = a / bay - column, b / storey - level
    half = 0.2 + 0.12 * (house * 5.1 % 1)
    window = (np.abs(u - 0.5) < half) & (v > 0.28) & (v < 0.82) & (level > 0)
    shop = (level == 0) & (np.abs(u - 0.5) < 0.42) & (v > 0.15) & (v < 0.8)
    door = shop & ((column + np.floor(house * 40)) % 4 == 0)
    bright = (column * 0.37 + level * 0.61 + house * 9) % 1  # each pane mirrors another part of the sky
    what, kind = surface[wall], house.copy()
    what[window | shop] = Surface.WINDOW
    kind[window | shop] = bright[window | shop]
    what[door] = Surface.DOOR
    surface[wall], variant[wall] = what, kind


def paint_fences(across: np.ndarray, up: np.ndarray, surface: np.ndarray) -> None:
    """Writes the gaps between the bars of fences into `surface`; arguments as for `paint_facades`."""
    fence = surface == Surface.FENCE
    bars = (across[fence] % 0.4 < 0.16) | (up[fence] % 1.3 < 0.18)
    surface[fence] = np.where(bars, Surface.FENCE, Surface.GAP)
