"""One procedural street, seen from a car: flat polygons in world coordinates through a pinhole camera.

`render_street` draws no colours. It says of every pixel what surface it shows, how far away and how lit it is,
and to which class it belongs; `hflow.town.datasets` turns that into the picture of a game or of a camera.

World coordinates are metres: x to the right, y up, z along the street, the camera at x = z = 0. `s` is x measured
from the street's own axis, which bends: x = s + curve * z**2. Corners of a polygon run counter-clockwise as seen from
the side that shows; the other side is not drawn. Polygons are drawn far to near, each with a number of its own, and
everything else follows from the number: the plane gives the depth, the depth gives the place, the place the texture.
"""

import numpy as np

from hflow.foundation.errors import HflowError
from hflow.town.street.camera import Camera
from hflow.town.street.people import add_people
from hflow.town.street.plan import Plan
from hflow.town.street.rendering import render
from hflow.town.street.roadside import add_backdrop, add_furniture, add_roadsides
from hflow.town.street.scene import FAR, SUPERSAMPLING, Scene, Surface
from hflow.town.street.shapes import Shapes
from hflow.town.street.vehicles import add_traffic

__all__ = ["FAR", "SUPERSAMPLING", "Scene", "Surface", "render_street"]


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
    plan = Plan.draw(rng)
    camera = Camera.draw(rng, width * SUPERSAMPLING, height * SUPERSAMPLING)
    shapes = Shapes()
    add_backdrop(shapes, rng)
    add_roadsides(shapes, plan, rng)
    add_furniture(shapes, plan, rng)
    add_traffic(shapes, plan, rng)
    add_people(shapes, plan, rng)
    return render(shapes, plan, camera, rng)
