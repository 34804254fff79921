"""What stands along the road: houses, walls, trees, lamp posts, signs and traffic lights, and the far skyline."""

import numpy as np

from hflow.town.street.plan import Plan
from hflow.town.street.scene import FAR, Surface
from hflow.town.street.shapes import Pose, Shapes, Stuff

__all__ = ["add_backdrop", "add_furniture", "add_roadsides"]


def add_backdrop(shapes: Shapes, rng: np.random.Generator) -> None:
    """Roofs and tree tops at the end of the street."""
    for z, surface, label, low, high in (
        (260.0, Surface.PLASTER, "building", 8, 26),
        (230.0, Surface.LEAVES, "vegetation", 5, 11),
    ):
        shapes.begin(0, z)
        x = -260.0
        while x < 260:
            width, height = rng.uniform(10, 26), rng.uniform(low, high)
            stuff = Stuff(surface, label, rng.random())
            corners = [
                (x, 0, z),
                (x + width, 0, z),
                (x + width, height, z),
                (x + width / 2, height + 2, z),
                (x, height, z),
            ]
            shapes.add(np.array(corners), stuff, rng.uniform(-0.1, 0.1))
            x += width


def add_roadsides(shapes: Shapes, plan: Plan, rng: np.random.Generator) -> None:
    """Houses, and between them walls, fences and parks, on both sides."""
    tall = rng.uniform(6, 15)
    for side in (-1, 1):
        z = rng.uniform(-4, 2)
        while z < 160:
            length = rng.uniform(8, 18)
            if not plan.open(z, 0.5) or not plan.open(z + length, 0.5) or z < plan.crossing[0] < z + length:
                if plan.crossing[0] - z > 6:
                    length = plan.crossing[0] - z - 1
                else:
                    z = plan.crossing[1] + rng.uniform(0, 1)
                    continue
            s = plan.edge(side) + side * (plan.front + rng.choice([0.0, 0.0, 0.6]))
            kind = rng.random()
            if kind < 0.66:
                shapes.begin(1, max(z, 0.0))
                _house(shapes, plan, side, s, (z, z + length), tall * rng.uniform(0.7, 1.4), rng)
            else:
                for place in np.arange(z + length - 1, z + 1, -rng.uniform(4.5, 6.5)):
                    _tree(shapes, *plan.at(s + side * rng.uniform(3, 5), place), rng, layer=1)
                if kind < 0.92:
                    shapes.begin(1, max(z, 0.0))
                    surface, label = (Surface.CONCRETE, "wall") if kind < 0.79 else (Surface.FENCE, "fence")
                    stuff = Stuff(surface, label, rng.random())
                    _slab(shapes, plan, side, s, (z, z + length), rng.uniform(1.6, 2.4), stuff)
            z += length + (rng.uniform(2, 5) if rng.random() < 0.15 else 0)


def _slab(
    shapes: Shapes, plan: Plan, side: int, s: float, span: tuple[float, float], height: float, stuff: Stuff
) -> None:
    """An upright face along the street."""
    (x0, z0), (x1, z1) = plan.at(s, span[0]), plan.at(s, span[1])
    face = np.array([(x1, 0, z1), (x0, 0, z0), (x0, height, z0), (x1, height, z1)])
    shapes.add(face[::side], stuff)


def _house(
    shapes: Shapes,
    plan: Plan,
    side: int,
    s: float,
    span: tuple[float, float],
    height: float,
    rng: np.random.Generator,
) -> None:
    """The front, the gable end and the roof of a house: its front at s, from z to z of `span`, metres."""
    stuff = Stuff(Surface.BRICK if rng.random() < 0.4 else Surface.PLASTER, "building", rng.random())
    (x0, z0), (x1, z1) = plan.at(s, span[0]), plan.at(s, span[1])
    deep, ridge = side * 14.0, height + rng.choice([0.0, 2.5, 4.0])
    roof = np.array([(x1, height, z1), (x0, height, z0), (x0 + deep / 2, ridge, z0), (x1 + deep / 2, ridge, z1)])
    shapes.add(roof[::side], stuff.but(Surface.ROOF, rng.random()))
    end = [(x0, 0, z0), (x0 + deep, 0, z0), (x0 + deep, height, z0), (x0 + deep / 2, ridge, z0), (x0, height, z0)]
    shapes.add(np.array(end)[::side], stuff, -0.06)
    _slab(shapes, plan, side, s, span, height, stuff)


def _tree(shapes: Shapes, x: float, z: float, rng: np.random.Generator, layer: int = 2) -> None:
    """A trunk, and a crown of seven blobs."""
    pose = Pose(shapes, x, z, layer=layer)
    crown, height, variant = rng.uniform(1.3, 2.2), rng.uniform(4.0, 6.5), rng.random()
    leaves = Stuff(Surface.LEAVES, "vegetation", variant)
    pose.flat([(-0.2, 0), (0.2, 0), (0.12, height), (-0.12, height)], leaves.but(Surface.BARK, variant))
    pose.contact(0.5, -0.4, 0.4)
    shades = np.array([-0.28, -0.28, -0.28, -0.08, -0.08, 0.12, 0.12])  # dark below and behind, light on top
    turn = np.linspace(0, 2 * np.pi, 12, endpoint=False)
    radius = crown * rng.uniform(0.5, 0.8, (len(shades), 1)) * rng.uniform(0.82, 1.18, (len(shades), 12))
    middle = np.array([0, height]) + crown * (rng.normal(0, (0.4, 0.2), (len(shades), 2)) + np.outer(shades, (0, 2.5)))
    blobs = middle[:, None] + radius[..., None] * np.stack([np.cos(turn), np.sin(turn)], -1)  # (7, 12, 2)
    for blob, shade in zip(blobs, shades, strict=True):
        pose.flat(blob, leaves, shade)


def add_furniture(shapes: Shapes, plan: Plan, rng: np.random.Generator) -> None:
    """Trees, lamp posts, traffic signs and traffic lights along the kerbs."""
    for side in (-1, 1):
        lamps, trees, signs = rng.uniform(20, 30), rng.uniform(8, 14), rng.uniform(14, 40)
        kerb = plan.edge(side) + side * 0.5
        if rng.random() < 0.5:
            for z in np.arange(rng.uniform(6, 14), 90, trees):
                if plan.open(z):
                    _tree(shapes, *plan.at(kerb + side * max(0.3, plan.verge / 2), z), rng)
        for z in np.arange(rng.uniform(7, 20), 90, lamps):
            if plan.open(z):
                pose, pole = Pose(shapes, *plan.at(kerb, z)), Stuff(Surface.METAL, "pole", rng.random())
                pose.bar(-0.1, 0, 0.1, 6.5, pole)
                pose.bar(min(0.0, -side * 1.6), 6.4, max(0.0, -side * 1.6), 6.55, pole)
                pose.contact(0.2, -0.2, 0.2)
        for z in np.arange(rng.uniform(8, 18), 60, signs):
            if plan.open(z):
                _sign(Pose(shapes, *plan.at(kerb + side * 0.2, z)), rng)
        if plan.crossing[0] < FAR:
            _traffic_light(Pose(shapes, *plan.at(kerb, plan.crossing[0] - 1.5)), -side, rng)


def _sign(pose: Pose, rng: np.random.Generator) -> None:
    """One of four kinds of traffic sign on its post."""
    face = Stuff(Surface.SIGN, "traffic sign")
    top, kind = rng.uniform(2.3, 2.9), rng.integers(4)
    pose.bar(-0.06, 0, 0.06, top, Stuff(Surface.METAL, "pole", 0.6))
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


def _traffic_light(pose: Pose, toward: int, rng: np.random.Generator) -> None:
    """A post with two heads, the upper one on an arm towards the side `toward`."""
    pole, head = Stuff(Surface.METAL, "pole", 0.3), Stuff(Surface.HOUSING, "traffic light")
    lit, reach = rng.integers(3), toward * rng.uniform(1.5, 2.6)
    pose.bar(-0.09, 0, 0.09, 5.1, pole)
    pose.bar(min(0.0, reach), 5.0, max(0.0, reach), 5.14, pole)
    for x, y in ((0.0, 2.5), (reach, 4.3)):
        pose.bar(x - 0.28, y, x + 0.28, y + 1.3, head)
        for lamp, variant in enumerate((0.4, 0.2, 0.0)):  # green below, red on top
            pose.disc(x, y + 0.24 + 0.41 * lamp, 0.18, head.but(Surface.LAMP, variant if lamp == lit else 0.6))
