"""Cars, trucks and buses: parked, driving along the road and crossing it."""

import numpy as np

from hflow.town.street.plan import Plan
from hflow.town.street.scene import Surface
from hflow.town.street.shapes import Pose, Shapes, Stuff

__all__ = ["add_traffic"]


def add_traffic(shapes: Shapes, plan: Plan, rng: np.random.Generator) -> None:
    """Puts vehicles on the road: parked along the kerbs, in both lanes, perhaps one in the crossing."""
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
                vehicle = _car if rng.random() < 0.68 or z < 11 else _truck if rng.random() < 0.5 else _bus
                vehicle(pose, rng)
            z += rng.uniform(14, 34)
    if plan.crossing[0] < 40 and rng.random() < 0.6:
        x, z = plan.at(rng.uniform(-7, 5), sum(plan.crossing) / 2)
        _car(Pose(shapes, x, z, rng.choice([-1, 1]) * np.pi / 2), rng)


def _on_lane(shapes: Shapes, plan: Plan, s: float, z: float, direction: int) -> Pose:
    """A place whose ahead is along the street (direction 1) or back (-1)."""
    along = np.arctan(2 * plan.curve * z)
    return Pose(shapes, *plan.at(s, z), along if direction > 0 else along + np.pi)


def _car(pose: Pose, rng: np.random.Generator) -> None:
    paint = Stuff(Surface.PAINT, "car", rng.random())
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


def _truck(pose: Pose, rng: np.random.Generator) -> None:
    cargo = Stuff(Surface.CARGO, "truck", rng.random())
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


def _bus(pose: Pose, rng: np.random.Generator) -> None:
    paint = Stuff(Surface.PAINT, "bus", rng.random())
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
