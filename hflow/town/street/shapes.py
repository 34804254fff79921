"""What things are built of: flat polygons, placed in the world object by object."""

from dataclasses import dataclass

import numpy as np

from hflow.town.street.scene import LABEL_ID, Surface

__all__ = ["Pose", "Shapes", "Stuff"]


@dataclass(frozen=True)
class Stuff:
    """What a polygon shows, and of which class it is."""

    surface: Surface
    label: str
    """A class of Cityscapes, by name."""
    variant: float = 0.0
    """Which of the surface's colours, in [0, 1)."""

    def but(self, surface: Surface, variant: float = 0.0) -> "Stuff":
        """Another surface of the same object."""
        return Stuff(surface, self.label, variant)


class Shapes:
    """Polygons in world coordinates, object by object; `begin` starts an object and says how far away it is."""

    def __init__(self) -> None:
        self.corners: list[np.ndarray] = []
        """Each (N, 3), metres."""
        self.looks: list[tuple[float, float, float, float]] = []
        """Surface, label id, variant and shade of each polygon."""
        self.order: list[tuple[int, float]] = []
        """A key for each polygon: those with a greater one are drawn later, over the others."""
        self.contacts: list[np.ndarray] = []
        """Each (4, 3): where an object darkens the ground under it."""
        self._key = (0, 0.0)

    def begin(self, layer: int, distance: float) -> None:
        """Objects of a higher layer cover those of a lower one, near ones those far away (distance in metres)."""
        self._key = (layer, -distance)

    def add(self, corners: np.ndarray, what: Stuff, shade: float = 0.0) -> None:
        """Adds a polygon (N, 3) to the object; `shade` lightens it or, negative, darkens it."""
        self.corners.append(corners)
        self.looks.append((what.surface, LABEL_ID[what.label], what.variant, shade))
        self.order.append(self._key)


class Pose:
    """Where an object stands: its own coordinates are (right, up, ahead), in metres from its foot."""

    def __init__(self, shapes: Shapes, x: float, z: float, heading: float = 0.0, layer: int = 2) -> None:
        self.shapes, self.place = shapes, np.array([x, 0.0, z])
        cos, sin = np.cos(heading), np.sin(heading)
        self.axes = np.array([[cos, 0, -sin], [0, 1, 0], [sin, 0, cos]])
        shapes.begin(layer, float(np.hypot(x, z)))

    def polygon(self, points: object, what: Stuff, shade: float = 0.0) -> None:
        """A polygon of (right, up, ahead)."""
        self.shapes.add(np.asarray(points, float) @ self.axes + self.place, what, shade)

    def flat(self, points: object, what: Stuff, shade: float = 0.0) -> None:
        """A polygon of (right, up) that faces whoever looks ahead."""
        plane = np.asarray(points, float)  # (N, 2)
        self.shapes.add(plane @ self.axes[:2] + self.place, what, shade)

    def bar(self, x0: float, y0: float, x1: float, y1: float, what: Stuff, shade: float = 0.0) -> None:
        """An upright rectangle that faces whoever looks ahead."""
        self.flat([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], what, shade)

    def disc(self, x: float, y: float, radius: float, what: Stuff, shade: float = 0.0, corners: int = 10) -> None:
        """A disc that faces whoever looks ahead."""
        turn = np.arange(corners) * (2 * np.pi / corners)
        self.flat(np.column_stack([x + radius * np.cos(turn), y + radius * np.sin(turn)]), what, shade)

    def wheels(self, half_width: float, ahead: float, radius: float, what: Stuff) -> None:
        """A wheel on either side of a vehicle, `ahead` of its middle."""
        turn = np.arange(10) * (2 * np.pi / 10)
        for side in (-1, 1):
            for scale, surface in ((1.0, Surface.TYRE), (0.55, Surface.METAL)):
                right, up = np.full(10, side * half_width), radius + scale * radius * np.sin(turn)
                rim = np.column_stack([right, up, ahead + side * scale * radius * np.cos(turn)])
                self.polygon(rim, what.but(surface))

    def solid(
        self,
        bottom: tuple[float, float, float, float],
        top: tuple[float, float, float, float],
        what: Stuff,
        shade: float = 0.0,
    ) -> list[np.ndarray]:
        """A box whose top may be smaller than its bottom, both (height, half width, from, to).

        Returns:
            The corners (4, 3) of its faces: back, front, right, left, top.
        """
        (y0, w0, a0, b0), (y1, w1, a1, b1) = bottom, top
        faces = [
            np.array([(-w0, y0, a0), (w0, y0, a0), (w1, y1, a1), (-w1, y1, a1)]),
            np.array([(w0, y0, b0), (-w0, y0, b0), (-w1, y1, b1), (w1, y1, b1)]),
            np.array([(w0, y0, a0), (w0, y0, b0), (w1, y1, b1), (w1, y1, a1)]),
            np.array([(-w0, y0, b0), (-w0, y0, a0), (-w1, y1, a1), (-w1, y1, b1)]),
            np.array([(-w1, y1, a1), (w1, y1, a1), (w1, y1, b1), (-w1, y1, b1)]),
        ]
        for face in faces:
            self.polygon(face, what, shade)
        return faces

    def patch(self, face: np.ndarray, x0: float, y0: float, x1: float, y1: float, what: Stuff) -> None:
        """A part of a face, from (x0, y0) to (x1, y1) of its width and height."""
        weights = [
            ((1 - x) * (1 - y), x * (1 - y), x * y, (1 - x) * y) for x, y in ((x0, y0), (x1, y0), (x1, y1), (x0, y1))
        ]
        self.polygon(np.array(weights) @ face, what)

    def contact(self, half_width: float, start: float, end: float) -> None:
        """Darkens the ground under the object, from `start` to `end` ahead of its foot."""
        w = half_width
        base = np.array([(-w, 0, start), (w, 0, start), (w, 0, end), (-w, 0, end)])
        self.shapes.contacts.append(base @ self.axes + self.place)
