"""One procedural street, seen from a car: flat polygons in world coordinates through a pinhole camera.

`render_street` draws no colours. It says of every pixel what surface it shows, how far away and how lit it is,
and to which class it belongs; `hflow.datasets.town` turns that into the picture of a game or of a camera.

World coordinates are metres: x to the right, y up, z along the street, the camera at x = z = 0. `s` is x measured
from the street's own axis, which bends: x = s + curve * z**2. Corners of a polygon run counter-clockwise as seen from
the side that shows; the other side is not drawn. Polygons are drawn far to near, each with a number of its own, and
everything else follows from the number: the plane gives the depth, the depth gives the place, the place the texture.
"""

from dataclasses import dataclass
from enum import IntEnum, auto

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from hflow.errors import HflowError
from hflow.labels import CITYSCAPES

__all__ = ["FAR", "SUPERSAMPLING", "Scene", "Surface", "render_street"]

FAR = 400.0
"""Metres to the sky, and to everything that would be farther away."""

SUPERSAMPLING = 2
"""Rendered pixels along each side of a picture's pixel."""


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


def render_street(rng: np.random.Generator, size: tuple[int, int]) -> Scene:
    """A street of its own for each state of `rng`.

    Args:
        rng: decides everything.
        size: (width, height) of the picture in pixels, at least (64, 32).

    Raises:
        HflowError: a size that is too small.
    """
    width, height = size
    if width < 64 or height < 32:
        raise HflowError(f"size {width}x{height}: a street needs at least 64x32 pixels")
    plan = _Plan.draw(rng)
    camera = _Camera.draw(rng, width * SUPERSAMPLING, height * SUPERSAMPLING)
    shapes = _Shapes()
    _backdrop(shapes, rng)
    _roadsides(shapes, plan, rng)
    _furniture(shapes, plan, rng)
    _traffic(shapes, plan, rng)
    _people(shapes, plan, rng)
    return _shade(shapes, plan, camera, rng)


_ID = {c.name: c.id for c in CITYSCAPES}


# What stands where


@dataclass(frozen=True)
class _Plan:
    """The ground plan. Lateral places are in metres right of the camera's line."""

    curve: float
    left: float
    """Left edge of the road, negative."""
    right: float
    centre: float
    """The line between the two directions."""
    verge: float
    """Width of the strip of grass along the kerb, may be 0."""
    front: float
    """From the road's edge to the houses."""
    crossing: tuple[float, float]
    """Where another street crosses, from z to z; beyond FAR if none does."""
    parked: tuple[bool, bool]
    """Whether cars are parked along the left and the right kerb."""

    @classmethod
    def draw(cls, rng: np.random.Generator) -> "_Plan":
        parked = (bool(rng.random() < 0.5), bool(rng.random() < 0.5))
        centre = -rng.uniform(1.5, 1.9)
        start = rng.uniform(14, 50) if rng.random() < 0.5 else 2 * FAR
        verge = rng.uniform(1.0, 2.2) if rng.random() < 0.45 else 0.0
        return cls(
            curve=rng.uniform(-1, 1) * 0.0012,
            left=centre - rng.uniform(3.2, 5.0) - 2.1 * parked[0],
            right=rng.uniform(1.6, 2.6) + 2.1 * parked[1],
            centre=centre,
            verge=verge,
            front=verge + rng.uniform(2.8, 5.0),
            crossing=(start, start + rng.uniform(8, 12)),
            parked=parked,
        )

    def at(self, s: float, z: float) -> tuple[float, float]:
        """x and z of a place on the street."""
        return s + self.curve * z * z, z

    def edge(self, side: int) -> float:
        return self.right if side > 0 else self.left

    def open(self, z: float, margin: float = 1.0) -> bool:
        """Whether z is outside the crossing."""
        return not self.crossing[0] - margin < z < self.crossing[1] + margin


class _Shapes:
    """Polygons, object by object; `begin` starts one and says how far away it is."""

    def __init__(self) -> None:
        self.corners: list[np.ndarray] = []  # each (N, 3)
        self.looks: list[tuple[float, float, float, float]] = []  # surface, label, variant, shade
        self.order: list[tuple[int, float]] = []
        self.contacts: list[np.ndarray] = []  # each (N, 3), on the ground
        self._key = (0, 0.0)

    def begin(self, layer: int, distance: float) -> None:
        """Objects of a higher layer cover those of a lower one, near ones those far away."""
        self._key = (layer, -distance)

    def add(self, corners: np.ndarray, what: "_Stuff", shade: float = 0.0) -> None:
        self.corners.append(corners)
        self.looks.append((what.surface, what.label, what.variant, shade))
        self.order.append(self._key)


@dataclass(frozen=True)
class _Stuff:
    surface: Surface
    label: int
    variant: float = 0.0

    def but(self, surface: Surface, variant: float = 0.0) -> "_Stuff":
        """Another surface of the same object."""
        return _Stuff(surface, self.label, variant)


class _Pose:
    """Where an object stands: its own coordinates are (right, up, ahead), in metres from its foot."""

    def __init__(self, shapes: _Shapes, x: float, z: float, heading: float = 0.0, layer: int = 2) -> None:
        self.shapes, self.place = shapes, np.array([x, 0.0, z])
        cos, sin = np.cos(heading), np.sin(heading)
        self.axes = np.array([[cos, 0, -sin], [0, 1, 0], [sin, 0, cos]])
        shapes.begin(layer, float(np.hypot(x, z)))

    def polygon(self, points: object, what: _Stuff, shade: float = 0.0) -> None:
        self.shapes.add(np.asarray(points, float) @ self.axes + self.place, what, shade)

    def flat(self, points: object, what: _Stuff, shade: float = 0.0) -> None:
        """A polygon of (right, up) that faces whoever looks ahead."""
        plane = np.asarray(points, float)  # (N, 2)
        self.shapes.add(plane @ self.axes[:2] + self.place, what, shade)

    def bar(self, x0: float, y0: float, x1: float, y1: float, what: _Stuff, shade: float = 0.0) -> None:
        self.flat([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], what, shade)

    def disc(self, x: float, y: float, radius: float, what: _Stuff, shade: float = 0.0, corners: int = 10) -> None:
        turn = np.arange(corners) * (2 * np.pi / corners)
        self.flat(np.column_stack([x + radius * np.cos(turn), y + radius * np.sin(turn)]), what, shade)

    def wheels(self, half_width: float, ahead: float, radius: float, what: _Stuff) -> None:
        turn = np.arange(10) * (2 * np.pi / 10)
        for side in (-1, 1):
            for scale, surface in ((1.0, Surface.TYRE), (0.55, Surface.METAL)):
                round_ = [np.full(10, side * half_width), radius + scale * radius * np.sin(turn)]
                self.polygon(
                    np.column_stack([*round_, ahead + side * scale * radius * np.cos(turn)]), what.but(surface)
                )

    def solid(
        self,
        bottom: tuple[float, float, float, float],
        top: tuple[float, float, float, float],
        what: _Stuff,
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

    def patch(self, face: np.ndarray, x0: float, y0: float, x1: float, y1: float, what: _Stuff) -> None:
        """A part of a face, from (x0, y0) to (x1, y1) of its width and height."""
        weights = [
            ((1 - x) * (1 - y), x * (1 - y), x * y, (1 - x) * y) for x, y in ((x0, y0), (x1, y0), (x1, y1), (x0, y1))
        ]
        self.polygon(np.array(weights) @ face, what)

    def contact(self, half_width: float, start: float, end: float) -> None:
        """The dark ground under the object."""
        w = half_width
        base = np.array([(-w, 0, start), (w, 0, start), (w, 0, end), (-w, 0, end)])
        self.shapes.contacts.append(base @ self.axes + self.place)


# The things of a street


def _backdrop(shapes: _Shapes, rng: np.random.Generator) -> None:
    """Roofs and tree tops at the end of the street."""
    for z, surface, label, low, high in (
        (260.0, Surface.PLASTER, "building", 8, 26),
        (230.0, Surface.LEAVES, "vegetation", 5, 11),
    ):
        shapes.begin(0, z)
        x = -260.0
        while x < 260:
            width, height = rng.uniform(10, 26), rng.uniform(low, high)
            stuff = _Stuff(surface, _ID[label], rng.random())
            corners = [
                (x, 0, z),
                (x + width, 0, z),
                (x + width, height, z),
                (x + width / 2, height + 2, z),
                (x, height, z),
            ]
            shapes.add(np.array(corners), stuff, rng.uniform(-0.1, 0.1))
            x += width


def _roadsides(shapes: _Shapes, plan: _Plan, rng: np.random.Generator) -> None:
    """Houses, and between them walls, fences and parks, on both sides."""
    tall = rng.uniform(6, 15)
    for side in (-1, 1):
        z = rng.uniform(-4, 2)
        while z < 160:
            length = rng.uniform(8, 18)
            if not plan.open(z, 0.5) or not plan.open(z + length, 0.5) or (z < plan.crossing[0] < z + length):
                if plan.crossing[0] - z > 6:
                    length = plan.crossing[0] - z - 1
                else:
                    z = plan.crossing[1] + rng.uniform(0, 1)
                    continue
            s = plan.edge(side) + side * (plan.front + rng.choice([0.0, 0.0, 0.6]))
            shapes.begin(1, max(z, 0.0))
            kind = rng.random()
            if kind < 0.66:
                _house(shapes, plan, side, s, (z, z + length), tall * rng.uniform(0.7, 1.4), rng)
            else:
                for place in np.arange(z + length - 1, z + 1, -rng.uniform(4.5, 6.5)):
                    _tree(shapes, *plan.at(s + side * rng.uniform(3, 5), place), rng, layer=1)
                shapes.begin(1, max(z, 0.0))
                if kind < 0.92:
                    concrete = kind < 0.79
                    stuff = _Stuff(Surface.CONCRETE, _ID["wall"]) if concrete else _Stuff(Surface.FENCE, _ID["fence"])
                    stuff = stuff.but(stuff.surface, rng.random())
                    _slab(shapes, plan, side, s, (z, z + length), rng.uniform(1.6, 2.4), stuff)
            z += length + (rng.uniform(2, 5) if rng.random() < 0.15 else 0)


def _slab(
    shapes: _Shapes, plan: _Plan, side: int, s: float, span: tuple[float, float], height: float, stuff: _Stuff
) -> None:
    """An upright face along the street."""
    (x0, z0), (x1, z1) = plan.at(s, span[0]), plan.at(s, span[1])
    face = np.array([(x1, 0, z1), (x0, 0, z0), (x0, height, z0), (x1, height, z1)])
    shapes.add(face[::side], stuff)


def _house(
    shapes: _Shapes,
    plan: _Plan,
    side: int,
    s: float,
    span: tuple[float, float],
    height: float,
    rng: np.random.Generator,
) -> None:
    stuff = _Stuff(Surface.BRICK if rng.random() < 0.4 else Surface.PLASTER, _ID["building"], rng.random())
    (x0, z0), (x1, z1) = plan.at(s, span[0]), plan.at(s, span[1])
    deep, ridge = side * 14.0, height + rng.choice([0.0, 2.5, 4.0])
    roof = np.array([(x1, height, z1), (x0, height, z0), (x0 + deep / 2, ridge, z0), (x1 + deep / 2, ridge, z1)])
    shapes.add(roof[::side], stuff.but(Surface.ROOF, rng.random()))
    end = [(x0, 0, z0), (x0 + deep, 0, z0), (x0 + deep, height, z0), (x0 + deep / 2, ridge, z0), (x0, height, z0)]
    shapes.add(np.array(end)[::side], stuff, -0.06)
    _slab(shapes, plan, side, s, span, height, stuff)


def _tree(shapes: _Shapes, x: float, z: float, rng: np.random.Generator, layer: int = 2) -> None:
    pose = _Pose(shapes, x, z, layer=layer)
    crown, height, variant = rng.uniform(1.3, 2.2), rng.uniform(4.0, 6.5), rng.random()
    leaves = _Stuff(Surface.LEAVES, _ID["vegetation"], variant)
    pose.flat([(-0.2, 0), (0.2, 0), (0.12, height), (-0.12, height)], leaves.but(Surface.BARK, variant))
    pose.contact(0.5, -0.4, 0.4)
    shades = np.array([-0.28, -0.28, -0.28, -0.08, -0.08, 0.12, 0.12])  # dark below and behind, light on top
    turn = np.linspace(0, 2 * np.pi, 12, endpoint=False)
    radius = crown * rng.uniform(0.5, 0.8, (len(shades), 1)) * rng.uniform(0.82, 1.18, (len(shades), 12))
    middle = np.array([0, height]) + crown * (rng.normal(0, (0.4, 0.2), (len(shades), 2)) + np.outer(shades, (0, 2.5)))
    blobs = middle[:, None] + radius[..., None] * np.stack([np.cos(turn), np.sin(turn)], -1)  # (7, 12, 2)
    for blob, shade in zip(blobs, shades, strict=True):
        pose.flat(blob, leaves, shade)


def _furniture(shapes: _Shapes, plan: _Plan, rng: np.random.Generator) -> None:
    """Trees, lamp posts, traffic signs and traffic lights along the kerbs."""
    steel = _Stuff(Surface.METAL, _ID["pole"])
    for side in (-1, 1):
        lamps, trees, signs = rng.uniform(20, 30), rng.uniform(8, 14), rng.uniform(14, 40)
        kerb = plan.edge(side) + side * 0.5
        if rng.random() < 0.5:
            for z in np.arange(rng.uniform(6, 14), 90, trees):
                if plan.open(z):
                    _tree(shapes, *plan.at(kerb + side * max(0.3, plan.verge / 2), z), rng)
        for z in np.arange(rng.uniform(7, 20), 90, lamps):
            if plan.open(z):
                pose, variant = _Pose(shapes, *plan.at(kerb, z)), rng.random()
                pole = steel.but(Surface.METAL, variant)
                pose.bar(-0.1, 0, 0.1, 6.5, pole)
                pose.bar(min(0.0, -side * 1.6), 6.4, max(0.0, -side * 1.6), 6.55, pole)
                pose.contact(0.2, -0.2, 0.2)
        for z in np.arange(rng.uniform(8, 18), 60, signs):
            if plan.open(z):
                _sign(_Pose(shapes, *plan.at(kerb + side * 0.2, z)), rng)
        if plan.crossing[0] < FAR:
            _traffic_light(_Pose(shapes, *plan.at(kerb, plan.crossing[0] - 1.5)), -side, rng)


def _sign(pose: _Pose, rng: np.random.Generator) -> None:
    face = _Stuff(Surface.SIGN, _ID["traffic sign"])
    top, kind = rng.uniform(2.3, 2.9), rng.integers(4)
    pose.bar(-0.06, 0, 0.06, top, _Stuff(Surface.METAL, _ID["pole"], 0.6))
    if kind == 0:  # a red ring
        pose.disc(0, top, 0.5, face.but(Surface.SIGN, 0.0), corners=12)
        pose.disc(0, top, 0.32, face.but(Surface.SIGN, 0.3), corners=12)
    elif kind == 1:  # a warning
        pose.flat([(-0.6, top - 0.45), (0.6, top - 0.45), (0, top + 0.6)], face.but(Surface.SIGN, 0.0))
        pose.flat([(-0.35, top - 0.3), (0.35, top - 0.3), (0, top + 0.28)], face.but(Surface.SIGN, 0.3))
    elif kind == 2:  # a blue board
        pose.bar(-0.5, top - 0.5, 0.5, top + 0.5, face.but(Surface.SIGN, 0.6))
        pose.bar(-0.12, top - 0.3, 0.12, top + 0.3, face.but(Surface.SIGN, 0.3))
    else:  # yellow, right of way
        pose.flat([(0, top - 0.6), (0.6, top), (0, top + 0.6), (-0.6, top)], face.but(Surface.SIGN, 0.3))
        pose.flat([(0, top - 0.42), (0.42, top), (0, top + 0.42), (-0.42, top)], face.but(Surface.SIGN, 0.85))


def _traffic_light(pose: _Pose, toward: int, rng: np.random.Generator) -> None:
    pole, head = _Stuff(Surface.METAL, _ID["pole"], 0.3), _Stuff(Surface.HOUSING, _ID["traffic light"])
    lit, reach = rng.integers(3), toward * rng.uniform(1.5, 2.6)
    pose.bar(-0.09, 0, 0.09, 5.1, pole)
    pose.bar(min(0.0, reach), 5.0, max(0.0, reach), 5.14, pole)
    for x, y in ((0.0, 2.5), (reach, 4.3)):
        pose.bar(x - 0.28, y, x + 0.28, y + 1.3, head)
        for lamp, variant in enumerate((0.4, 0.2, 0.0)):  # green below, red on top
            pose.disc(x, y + 0.24 + 0.41 * lamp, 0.18, head.but(Surface.LAMP, variant if lamp == lit else 0.6))


def _traffic(shapes: _Shapes, plan: _Plan, rng: np.random.Generator) -> None:
    """Cars, trucks and buses on the road, along it and across."""
    for side in (-1, 1):
        if plan.parked[side > 0]:
            z = rng.uniform(6, 12)
            while z < 60:
                if plan.open(z, 5) and rng.random() < 0.8:
                    _car(_on_lane(shapes, plan, plan.edge(side) - side * 1.1, z, side), rng)
                z += rng.uniform(5.6, 8)
    own, oncoming = 0.0, (plan.centre + plan.left + 2.1 * plan.parked[0]) / 2
    for s, direction, nearest in ((own, 1, 9), (oncoming, -1, 8)):
        z = rng.uniform(nearest, 28)
        while z < 90:
            if rng.random() < 0.75:
                pose = _on_lane(shapes, plan, s + rng.normal(0, 0.15), z, direction)
                (_car if rng.random() < 0.68 or z < 11 else _truck if rng.random() < 0.5 else _bus)(pose, rng)
            z += rng.uniform(14, 34)
    if plan.crossing[0] < 40 and rng.random() < 0.6:
        x, z = plan.at(rng.uniform(-7, 5), sum(plan.crossing) / 2)
        _car(_Pose(shapes, x, z, rng.choice([-1, 1]) * np.pi / 2), rng)


def _on_lane(shapes: _Shapes, plan: _Plan, s: float, z: float, direction: int) -> _Pose:
    along = np.arctan(2 * plan.curve * z)
    return _Pose(shapes, *plan.at(s, z), along if direction > 0 else along + np.pi)


def _car(pose: _Pose, rng: np.random.Generator) -> None:
    paint = _Stuff(Surface.PAINT, _ID["car"], rng.random())
    glass, tyre, lamp = paint.but(Surface.GLASS), paint.but(Surface.TYRE), paint.but(Surface.LAMP, 0.0)
    tall, long = rng.uniform(1.35, 1.75), rng.uniform(1.9, 2.3)
    boot = rng.uniform(0.1, 0.8)  # metres of flat lid behind the cabin
    pose.contact(0.95, -long, long)
    pose.solid((0.18, 0.8, -long + 0.1, long - 0.1), (0.4, 0.8, -long + 0.1, long - 0.1), tyre)
    body = pose.solid((0.35, 0.9, -long, long), (0.88, 0.86, -long, long - 0.1), paint)
    for ahead in (-0.62 * long, 0.62 * long):
        pose.wheels(0.91, ahead, 0.36, paint)
    for x in (0.04, 0.78):
        pose.patch(body[0], x, 0.5, x + 0.18, 0.9, lamp)
        pose.patch(body[1], x, 0.45, x + 0.18, 0.85, paint.but(Surface.LAMP, 0.99))
    pose.patch(body[0], 0.36, 0.25, 0.64, 0.5, paint.but(Surface.SIGN, 0.3))
    pose.patch(body[1], 0.25, 0.2, 0.75, 0.45, tyre)
    cabin = pose.solid(
        (0.88, 0.84, -long + boot, long - 1.0), (tall, 0.64, -long + boot + 0.4, long - 1.8), paint, 0.05
    )
    pose.patch(cabin[0], 0.08, 0.12, 0.92, 0.86, glass)
    pose.patch(cabin[1], 0.06, 0.08, 0.94, 0.9, glass)
    for face in cabin[2:4]:
        pose.patch(face, 0.08, 0.1, 0.48, 0.88, glass)
        pose.patch(face, 0.53, 0.1, 0.92, 0.88, glass)


def _truck(pose: _Pose, rng: np.random.Generator) -> None:
    cargo = _Stuff(Surface.CARGO, _ID["truck"], rng.random())
    cab = cargo.but(Surface.PAINT, rng.random())
    tall, long = rng.uniform(2.9, 3.5), rng.uniform(2.8, 3.8)
    pose.contact(1.15, -long, long + 1.7)
    pose.solid((0.45, 1.0, -long, long + 1.5), (0.95, 1.0, -long, long + 1.5), cargo.but(Surface.TYRE))
    for ahead in (-long + 0.8, -long + 1.9, long + 0.8):
        pose.wheels(1.1, ahead, 0.48, cargo)

    def box() -> None:
        faces = pose.solid((0.95, 1.2, -long, long - 0.3), (tall, 1.2, -long, long - 0.3), cargo)
        pose.patch(faces[0], 0.49, 0.03, 0.51, 0.97, cargo.but(Surface.TYRE))
        for x in (0.02, 0.86):
            pose.patch(faces[0], x, 0.01, x + 0.12, 0.08, cargo.but(Surface.LAMP, 0.0))

    def cabin() -> None:
        front = pose.solid((0.5, 1.1, long - 0.2, long + 1.7), (2.5, 1.05, long - 0.2, long + 1.5), cab)
        pose.patch(front[1], 0.07, 0.5, 0.93, 0.92, cab.but(Surface.GLASS))
        pose.patch(front[1], 0.25, 0.1, 0.75, 0.35, cab.but(Surface.TYRE))
        for x in (0.04, 0.8):
            pose.patch(front[1], x, 0.12, x + 0.16, 0.26, cab.but(Surface.LAMP, 0.99))
        for face in front[2:4]:
            pose.patch(face, 0.3, 0.55, 0.85, 0.9, cab.but(Surface.GLASS))

    # Of the two parts the one nearer to the camera comes last.
    ahead = pose.axes[2] @ pose.place
    for part in (cabin, box) if ahead > 0 else (box, cabin):
        part()


def _bus(pose: _Pose, rng: np.random.Generator) -> None:
    paint = _Stuff(Surface.PAINT, _ID["bus"], rng.random())
    glass, long = paint.but(Surface.GLASS), rng.uniform(4.0, 5.5)
    pose.contact(1.25, -long, long)
    faces = pose.solid((0.35, 1.25, -long, long), (3.1, 1.2, -long, long), paint)
    for ahead in (-0.6 * long, 0.65 * long):
        pose.wheels(1.27, ahead, 0.5, paint)
    for face in faces[:2]:
        pose.patch(face, 0.08, 0.42, 0.92, 0.8, glass)
        pose.patch(face, 0.25, 0.84, 0.75, 0.95, paint.but(Surface.HOUSING))
    for x in (0.03, 0.84):
        pose.patch(faces[0], x, 0.1, x + 0.13, 0.24, paint.but(Surface.LAMP, 0.0))
        pose.patch(faces[1], x, 0.08, x + 0.13, 0.18, paint.but(Surface.LAMP, 0.99))
    for face in faces[2:4]:
        for x in np.linspace(0.03, 0.83, 6):
            pose.patch(face, x, 0.42, x + 0.13, 0.82, glass)


def _people(shapes: _Shapes, plan: _Plan, rng: np.random.Generator) -> None:
    """Walkers on the pavement and on the crossing, riders on the road, cycles parked by the kerb."""
    for _ in range(rng.integers(2, 8)):
        side, z = rng.choice([-1, 1]), rng.uniform(6.5, 32)
        s = plan.edge(side) + side * rng.uniform(plan.verge + 0.6, plan.front - 0.5)
        _walker(_Pose(shapes, *plan.at(s, z)), rng)
    if plan.crossing[0] < 40 and rng.random() < 0.7:
        _walker(_Pose(shapes, *plan.at(rng.uniform(plan.left, plan.right), plan.crossing[0] - 1.5)), rng)
    for kind in ("bicycle", "motorcycle"):
        side = rng.choice([-1, 1])
        if rng.random() < 0.45:
            s = plan.right - 2.1 * plan.parked[1] - 0.5 if side > 0 else plan.left + 2.1 * plan.parked[0] + 0.5
            _cycle(_Pose(shapes, *plan.at(s, rng.uniform(7, 18))), kind, rng, ridden=True)
        if rng.random() < 0.45:
            s, z = plan.edge(-side) - side * (plan.verge + 0.9), rng.uniform(7, 16)
            for bike in range(rng.integers(1, 4)):
                _cycle(_Pose(shapes, *plan.at(s, z + 1.2 * bike)), kind, rng, ridden=False)


def _walker(pose: _Pose, rng: np.random.Generator, label: str = "person", seat: float = 0.0) -> None:
    """Someone who stands or walks, or with `seat` > 0 sits that many metres above the ground."""
    scale, step = rng.uniform(0.92, 1.08), rng.uniform(0.02, 0.22)
    coat = _Stuff(Surface.CLOTH, _ID[label], rng.random())
    trousers, skin = coat.but(Surface.CLOTH, rng.random()), coat.but(Surface.SKIN, rng.random())
    hip = seat if seat else 0.85 * scale
    foot = seat - 0.45 if seat else 0.0
    pose.contact(0.3, -0.25, 0.25)
    for leg in (-1, 1):
        x = leg * step
        pose.flat([(x - 0.1, foot), (x + 0.1, foot), (leg * 0.1 + 0.11, hip), (leg * 0.1 - 0.11, hip)], trousers, -0.05)
    neck = hip + 0.62 * scale
    for arm in (-1, 1):
        pose.flat(
            np.array([(0.2, neck - 0.05), (0.26, hip), (0.38, hip), (0.3, neck - 0.02)])[::arm] * (arm, 1), coat, -0.1
        )
    pose.flat(
        [(-0.2, hip - 0.08), (0.2, hip - 0.08), (0.27, neck - 0.05), (0.1, neck), (-0.1, neck), (-0.27, neck - 0.05)],
        coat,
    )
    pose.disc(0, neck + 0.15, 0.15, skin)
    pose.flat(
        [(0.16, neck + 0.18), (0.08, neck + 0.33), (-0.08, neck + 0.33), (-0.16, neck + 0.18)], skin.but(Surface.TYRE)
    )


def _cycle(pose: _Pose, kind: str, rng: np.random.Generator, ridden: bool) -> None:
    """A bicycle or motorcycle: from behind if it is ridden, from its side if it is parked."""
    frame, heavy = _Stuff(Surface.PAINT, _ID[kind], rng.random()), kind == "motorcycle"
    tyre, lamp = frame.but(Surface.TYRE), frame.but(Surface.LAMP, 0.0)
    if ridden:
        pose.contact(0.4, -0.9, 0.9)
        wide = 0.13 if heavy else 0.07
        pose.bar(-wide, 0, wide, 0.72, tyre)
        pose.bar(-0.36, 0.98, 0.36, 1.06, frame.but(Surface.METAL, 0.3))
        if heavy:
            pose.flat([(-0.2, 0.4), (0.2, 0.4), (0.32, 0.75), (0.24, 1.0), (-0.24, 1.0), (-0.32, 0.75)], frame)
            pose.bar(-0.14, 0.7, 0.14, 0.82, lamp)
        else:
            pose.bar(-0.08, 0.6, 0.08, 0.85, frame)
        _walker(pose, rng, "rider", seat=0.88)
        return
    pose.contact(0.9, -0.25, 0.25)
    for x in (-0.58, 0.58):
        pose.disc(x, 0.36, 0.36, tyre)
        pose.disc(x, 0.36, 0.2 if heavy else 0.28, frame.but(Surface.METAL, 0.0), -0.1)
    if heavy:
        pose.flat([(-0.4, 0.3), (0.35, 0.3), (0.6, 0.75), (0.5, 1.05), (0.2, 0.9), (-0.85, 0.85)], frame)
        pose.flat([(-0.8, 0.82), (0.0, 0.82), (0.05, 0.95), (-0.8, 0.98)], tyre)
    else:
        pose.flat([(-0.6, 0.32), (0.05, 0.28), (0.45, 0.8), (-0.3, 0.82)], frame)
        pose.bar(-0.42, 0.86, -0.12, 0.98, tyre)
    pose.flat([(0.52, 0.4), (0.62, 0.4), (0.48, 1.1), (0.36, 1.1)], frame.but(Surface.METAL, 0.3))


# From polygons to pixels


@dataclass(frozen=True)
class _Camera:
    width: int
    height: int
    focal: float
    """In pixels."""
    centre: tuple[float, float]
    above: float
    """Metres above the road."""
    turn: np.ndarray
    """(3, 3), world to camera."""

    @classmethod
    def draw(cls, rng: np.random.Generator, width: int, height: int) -> "_Camera":
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
            points: (N, 3), the corners of all polygons one after the other, in the world.
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


def _shade(shapes: _Shapes, plan: _Plan, camera: _Camera, rng: np.random.Generator) -> Scene:
    order = sorted(range(len(shapes.order)), key=lambda k: shapes.order[k])
    corners = [shapes.corners[k] for k in order]
    points, sizes = np.concatenate(corners), np.array([len(c) for c in corners])
    starts = np.cumsum(sizes) - sizes
    following = np.arange(1, len(points) + 1)
    following[starts + sizes - 1] = starts
    normals = -np.add.reduceat(np.cross(points, points[following]), starts, axis=0)  # (P, 3), Newell's
    normals /= np.linalg.norm(normals, axis=1, keepdims=True) + 1e-9
    eye = np.array([0, camera.above, 0])
    offset = np.einsum("pc,pc->p", normals, points[starts] - eye)  # distance of the plane, negative: it faces the eye

    number = Image.new("I", (camera.width, camera.height))
    pen = ImageDraw.Draw(number)
    for k, shape in enumerate(camera.project(points, sizes)):
        if shape and offset[k] < 0:
            pen.polygon(shape, fill=k + 2)
    ids = np.array(number)  # 0: sky or ground, from 2 on: polygons

    rays = camera.rays()  # (H, W, 3)
    ids[(ids == 0) & (rays[..., 1] < -1e-3)] = 1
    up = np.array([[0, 0, 0], [0, 1, 0]])
    normal = np.concatenate([up, normals]).astype(np.float32)[ids]  # (H, W, 3)
    plane = np.concatenate([[-FAR, -camera.above], offset]).astype(np.float32)[ids]
    facing = np.einsum("hwc,hwc->hw", normal, rays)
    depth = np.where(ids == 0, FAR, np.clip(plane / np.minimum(facing, -1e-3), 0.1, FAR))
    place = eye.astype(np.float32) + rays * depth[..., None]  # (H, W, 3)
    looks = np.array([(Surface.SKY, _ID["sky"], 0, 0), (Surface.ASPHALT, _ID["road"], 0, 0)])
    looks = np.concatenate([looks, np.array([shapes.looks[k] for k in order])])
    surface, labels = looks[:, 0].astype(np.uint8)[ids], looks[:, 1].astype(np.uint8)[ids]
    variant, shade = (looks[:, 2:].astype(np.float32)[ids, k] for k in (0, 1))

    tangent = np.column_stack([-normals[:, 2], 0 * normals[:, 0], normals[:, 0]])  # level, in the polygon's plane
    tangent = np.concatenate([up * 0, tangent / (np.linalg.norm(tangent, axis=1, keepdims=True) + 1e-9)])
    origin = np.einsum("pc,pc->p", tangent[2:], points[starts])
    across = np.einsum("hwc,hwc->hw", tangent.astype(np.float32)[ids], place)
    across -= np.concatenate([[0, 0], origin]).astype(np.float32)[ids]
    pixel = depth / camera.focal / np.clip(-facing, 0.03, 1)  # metres that a pixel covers

    ground = ids == 1
    _paint_ground(plan, ground, place, surface, labels, variant)
    _paint_facades((surface == Surface.PLASTER) | (surface == Surface.BRICK), across, place, surface, variant)
    pattern, grain = _textures(surface, across, place, rays, ground, pixel, rng)

    azimuth, height = rng.uniform(-2.2, 2.2), rng.uniform(0.6, 1.0)
    light = np.array([np.sin(azimuth) * np.cos(height), np.sin(height), -np.cos(azimuth) * np.cos(height)])
    close = points[starts, 2] < 70  # farther shadows are too thin to see
    fallen = (points - points[:, 1:2] * light / light[1])[np.repeat(close, sizes)]
    shadow = _mask(camera, fallen, sizes[close]) * ground
    contact = _mask(camera, np.concatenate(shapes.contacts), np.array([len(c) for c in shapes.contacts]), 1.5) * ground
    sun = np.clip(normal @ light.astype(np.float32) + shade, 0, 1) * (1 - shadow)
    ambient = np.clip(0.72 + 0.28 * normal[..., 1] + 0.8 * shade, 0.1, 1) * (1 - 0.7 * contact)
    floats = (variant, depth, rays[..., 1], sun, ambient, pattern, grain)
    return Scene(_majority(labels), surface, *(field.astype(np.float32) for field in floats))


def _mask(camera: _Camera, points: np.ndarray, sizes: np.ndarray, blur: float = 0.6) -> np.ndarray:
    """float32 (H, W): 1 inside the polygons, with soft edges."""
    image = Image.new("L", (camera.width, camera.height))
    pen = ImageDraw.Draw(image)
    for shape in camera.project(points, sizes):
        if shape:
            pen.polygon(shape, fill=255)
    return np.asarray(image.filter(ImageFilter.GaussianBlur(blur)), np.float32) / 255


def _paint_ground(
    plan: _Plan, ground: np.ndarray, place: np.ndarray, surface: np.ndarray, labels: np.ndarray, variant: np.ndarray
) -> None:
    """Writes road, markings, kerbs, pavements and grass into the pixels of the ground."""
    z = place[ground][:, 2]
    s = place[ground][:, 0] - plan.curve * z**2
    beyond = np.maximum(s - plan.right, plan.left - s)  # metres from the road's edge, negative on it
    start, end = plan.crossing
    across = (z > start) & (z < end)
    what, label = np.full(s.shape, Surface.GRASS, np.uint8), np.full(s.shape, _ID["terrain"], np.uint8)
    kind = np.zeros(s.shape, np.float32)

    def lay(where: np.ndarray, stuff: Surface, name: str, colour: float = 0.0) -> None:
        what[where], label[where], kind[where] = stuff, _ID[name], colour

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


def _paint_facades(
    wall: np.ndarray, across: np.ndarray, place: np.ndarray, surface: np.ndarray, variant: np.ndarray
) -> None:
    """Writes windows and doors into the walls of houses; each house has its own spacing."""
    a, b, house = across[wall], place[wall][:, 1], variant[wall]
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


def _textures(
    surface: np.ndarray,
    across: np.ndarray,
    place: np.ndarray,
    rays: np.ndarray,
    ground: np.ndarray,
    pixel: np.ndarray,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """`pattern` and `grain` of a scene; both fade where a pixel covers more than they could show."""
    a = np.where(ground, place[..., 0], across)
    b = np.where(ground, place[..., 2], place[..., 1])
    sky = surface == Surface.SKY
    a = np.where(sky, rays[..., 0] / (np.abs(rays[..., 1]) + 0.12) * 3, a)
    b = np.where(sky, 1 / (np.abs(rays[..., 1]) + 0.12) * 1.5, b)

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

    pattern = np.zeros_like(a)
    for kind, length, height, joint, shift in (
        (Surface.BRICK, 0.8, 0.35, 0.2, 0.5),
        (Surface.PAVING, 1.0, 1.0, 0.12, 0.0),
        (Surface.CONCRETE, 2.5, 1.2, 0.06, 0.0),
        (Surface.ROOF, 0.5, 0.4, 0.25, 0.5),
        (Surface.CARGO, 1.0, 9.0, 0.1, 0.0),
    ):
        on = surface == kind
        row = b[on] / height
        column = a[on] / length + shift * np.floor(row)
        line = (row % 1 < joint) | (column % 1 < joint * height / length)
        pattern[on] = np.where(line, -1.0, 0.25) * np.clip(1.2 * height / pixel[on] - 0.6, 0, 1)
    fence = surface == Surface.FENCE
    bars = (a[fence] % 0.4 < 0.16) | (b[fence] % 1.3 < 0.18)
    surface[fence] = np.where(bars, Surface.FENCE, Surface.GAP)
    rough = np.full(len(Surface), 0.6, np.float32)
    rough[[Surface.LEAVES, Surface.GRASS]] = 1.6, 1.2
    rough[[Surface.ASPHALT, Surface.SKY, Surface.PAVING]] = 1.0
    rough[[Surface.PAINT, Surface.GLASS, Surface.WINDOW, Surface.SIGN, Surface.LAMP]] = 0.2
    return np.clip(pattern, -1, 1), np.clip(grain * rough[surface], -1, 1)


def _smooth(table: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Values of the table (64, 64) at places between its cells."""
    i, j = np.floor(a).astype(np.int32), np.floor(b).astype(np.int32)
    u, v = a - i, b - j
    u, v = u * u * (3 - 2 * u), v * v * (3 - 2 * v)
    i, j, right, above = i & 63, j & 63, (i + 1) & 63, (j + 1) & 63
    low = table[i, j] * (1 - u) + table[right, j] * u
    high = table[i, above] * (1 - u) + table[right, above] * u
    return low * (1 - v) + high * v


def _majority(labels: np.ndarray) -> np.ndarray:
    """The commonest value of each 2 x 2 pixels; of several the smallest."""
    height, width = labels.shape
    blocks = labels.reshape(height // 2, 2, width // 2, 2).transpose(0, 2, 1, 3).reshape(height // 2, width // 2, 4)
    first, second, third, fourth = np.moveaxis(np.sort(blocks, axis=-1), -1, 0)
    rest = np.where((third == fourth) & (first != second), third, first)
    return np.where(second == third, second, rest)
