"""What runs where: the road, its verges and pavements, the crossing and the line of the houses."""

from dataclasses import dataclass

import numpy as np

from hflow.town.street.scene import FAR

__all__ = ["Plan"]


@dataclass(frozen=True)
class Plan:
    """The ground plan. Lateral places are in metres right of the camera's line."""

    curve: float
    """How the street bends, in 1/metres: x = s + curve * z**2."""
    left: float
    """Left edge of the road, negative."""
    right: float
    """Right edge of the road."""
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
    def draw(cls, rng: np.random.Generator) -> "Plan":
        """A plan of its own for each state of `rng`."""
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
        """x and z of a place on the street, all in metres."""
        return s + self.curve * z * z, z

    def edge(self, side: int) -> float:
        """The road's edge on the left (side -1) or the right (1)."""
        return self.right if side > 0 else self.left

    def open(self, z: float, margin: float = 1.0) -> bool:
        """Whether z is outside the crossing and `margin` metres from it."""
        return not self.crossing[0] - margin < z < self.crossing[1] + margin
