"""People on foot and on two wheels, and the cycles they left by the kerb."""

import numpy as np

from hflow.town.street.plan import Plan
from hflow.town.street.scene import Surface
from hflow.town.street.shapes import Pose, Shapes, Stuff

__all__ = ["add_people"]


def add_people(shapes: Shapes, plan: Plan, rng: np.random.Generator) -> None:
    """Walkers on the pavement and on the crossing, riders on the road, cycles parked by the kerb."""
    for _ in range(rng.integers(2, 8)):
        side, z = rng.choice([-1, 1]), rng.uniform(6.5, 32)
        s = plan.edge(side) + side * rng.uniform(plan.verge + 0.6, plan.front - 0.5)
        _walker(Pose(shapes, *plan.at(s, z)), rng)
    if plan.crossing[0] < 40 and rng.random() < 0.7:
        _walker(Pose(shapes, *plan.at(rng.uniform(plan.left, plan.right), plan.crossing[0] - 1.5)), rng)
    for kind in ("bicycle", "motorcycle"):
        side = rng.choice([-1, 1])
        if rng.random() < 0.45:
            s = plan.right - 2.1 * plan.parked[1] - 0.5 if side > 0 else plan.left + 2.1 * plan.parked[0] + 0.5
            _cycle(Pose(shapes, *plan.at(s, rng.uniform(7, 18))), kind, rng, ridden=True)
        if rng.random() < 0.45:
            s, z = plan.edge(-side) - side * (plan.verge + 0.9), rng.uniform(7, 16)
            for bike in range(rng.integers(1, 4)):
                _cycle(Pose(shapes, *plan.at(s, z + 1.2 * bike)), kind, rng, ridden=False)


def _walker(pose: Pose, rng: np.random.Generator, label: str = "person", seat: float = 0.0) -> None:
    """Someone who stands or walks, or with `seat` > 0 sits that many metres above the ground."""
    scale, step = rng.uniform(0.92, 1.08), rng.uniform(0.02, 0.22)
    coat = Stuff(Surface.CLOTH, label, rng.random())
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


def _cycle(pose: Pose, kind: str, rng: np.random.Generator, ridden: bool) -> None:
    """A bicycle or motorcycle: from behind if it is ridden, from its side if it is parked."""
    frame, heavy = Stuff(Surface.PAINT, kind, rng.random()), kind == "motorcycle"
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
