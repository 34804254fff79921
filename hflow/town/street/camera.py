"""The camera of the car: a pinhole that turns places in the world into pixels, and pixels into rays."""

from dataclasses import dataclass

import numpy as np

__all__ = ["Camera"]


@dataclass(frozen=True)
class Camera:
    """A pinhole above x = z = 0 that looks roughly along z."""

    width: int
    """In pixels, as all that follows but `above`."""
    height: int
    focal: float
    centre: tuple[float, float]
    """(u, v): right and down from the upper left corner."""
    above: float
    """Metres above the road."""
    turn: np.ndarray
    """(3, 3), world to camera."""

    @classmethod
    def draw(cls, rng: np.random.Generator, width: int, height: int) -> "Camera":
        """A camera of its own for each state of `rng`, for a picture of width x height pixels."""
        yaw, pitch, roll = rng.normal(0, (0.06, 0.012, 0.012))
        yaw = float(np.clip(yaw, -0.15, 0.15))
        about_y = np.array([[np.cos(yaw), 0, -np.sin(yaw)], [0, 1, 0], [np.sin(yaw), 0, np.cos(yaw)]])
        about_x = np.array([[1, 0, 0], [0, np.cos(pitch), -np.sin(pitch)], [0, np.sin(pitch), np.cos(pitch)]])
        about_z = np.array([[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1]])
        focal = rng.uniform(0.72, 0.9) * width
        above = rng.uniform(1.25, 1.75)
        return cls(width, height, focal, (width / 2, 0.47 * height), above, about_z @ about_x @ about_y)

    def rays(self) -> np.ndarray:
        """Unit directions in the world, float32 (H, W, 3)."""
        v, u = np.mgrid[: self.height, : self.width].astype(np.float32) + 0.5
        ahead = np.stack([(u - self.centre[0]) / self.focal, (self.centre[1] - v) / self.focal, np.ones_like(u)], -1)
        ahead /= np.sqrt(np.einsum("hwc,hwc->hw", ahead, ahead))[..., None]
        return ahead @ self.turn.astype(np.float32)

    def project(self, points: np.ndarray, sizes: np.ndarray) -> list[list[float] | None]:
        """Pixels of polygons: u, v, u, v, ...; None for one that is not in front of the camera.

        Args:
            points: (N, 3), the corners of all polygons one after the other, in world metres.
            sizes: (P,), how many of them each polygon has.
        """
        seen = (points - (0, self.above, 0)) @ self.turn.T
        near, ends = 0.4, np.cumsum(sizes)
        starts = ends - sizes
        nearest, farthest = np.minimum.reduceat(seen[:, 2], starts), np.maximum.reduceat(seen[:, 2], starts)
        pixels = self._pixels(np.where(seen[:, 2:] < near, (0, 0, near), seen)).ravel().tolist()
        shapes: list[list[float] | None] = []
        for k, (start, end) in enumerate(zip(starts.tolist(), ends.tolist(), strict=True)):
            if farthest[k] <= near:
                shapes.append(None)
            elif nearest[k] < near:
                shapes.append(self._pixels(_clip(seen[start:end], near)).ravel().tolist())
            else:
                shapes.append(pixels[2 * start : 2 * end])
        return shapes

    def _pixels(self, seen: np.ndarray) -> np.ndarray:
        u = self.centre[0] + self.focal * seen[:, 0] / seen[:, 2]
        return np.column_stack([u, self.centre[1] - self.focal * seen[:, 1] / seen[:, 2]])


def _clip(polygon: np.ndarray, near: float) -> np.ndarray:
    """The part of a polygon (N, 3) beyond z = near."""
    kept = []
    for here, there in zip(polygon, np.roll(polygon, -1, axis=0), strict=True):
        if here[2] >= near:
            kept.append(here)
        if (here[2] >= near) != (there[2] >= near):
            kept.append(here + (there - here) * (near - here[2]) / (there[2] - here[2]))
    return np.array(kept)
