"""From polygons to pixels: which polygon each pixel shows, and from that its place, its light and its texture."""

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from hflow.town.street.camera import Camera
from hflow.town.street.painting import paint_facades, paint_fences, paint_ground
from hflow.town.street.plan import Plan
from hflow.town.street.scene import FAR, LABEL_ID, Scene, Surface
from hflow.town.street.shapes import Shapes
from hflow.town.street.textures import textures

__all__ = ["render"]

# The first rows of every table of polygons. Polygon k of P, far to near, is row k + 2.
_SKY, _GROUND = 0, 1


def render(shapes: Shapes, plan: Plan, camera: Camera, rng: np.random.Generator) -> Scene:
    """The shapes on the ground of the plan, as the camera sees them under a sun that `rng` places."""
    order = sorted(range(len(shapes.order)), key=lambda k: shapes.order[k])
    corners = [shapes.corners[k] for k in order]
    points, sizes = np.concatenate(corners), np.array([len(c) for c in corners])  # (N, 3), (P,)
    firsts = points[np.cumsum(sizes) - sizes]  # (P, 3), a corner of each
    normals = _normals(points, sizes)  # (P, 3)
    eye = np.array([0, camera.above, 0])
    offsets = np.einsum("pc,pc->p", normals, firsts - eye)  # (P,), the plane's distance; negative: it faces the eye

    rays = camera.rays()  # (H, W, 3)
    rows = _rows(camera, points, sizes, offsets < 0)  # (H, W)
    rows[(rows == _SKY) & (rays[..., 1] < -1e-3)] = _GROUND
    ground = rows == _GROUND
    looks = np.array(
        [
            (Surface.SKY, LABEL_ID["sky"], 0, 0),
            (Surface.ASPHALT, LABEL_ID["road"], 0, 0),
            *(shapes.looks[k] for k in order),
        ]
    )
    surface, labels = looks[:, 0].astype(np.uint8)[rows], looks[:, 1].astype(np.uint8)[rows]
    variant, shade = (looks[:, k].astype(np.float32)[rows] for k in (2, 3))

    normal = np.concatenate([[(0, 0, 0), (0, 1, 0)], normals]).astype(np.float32)[rows]  # (H, W, 3)
    offset = np.concatenate([[-FAR, -camera.above], offsets]).astype(np.float32)[rows]
    facing = np.einsum("hwc,hwc->hw", normal, rays)
    depth = np.where(rows == _SKY, FAR, np.clip(offset / np.minimum(facing, -1e-3), 0.1, FAR))
    place = eye.astype(np.float32) + rays * depth[..., None]  # (H, W, 3)
    across = _across(normals, firsts, rows, place)
    pixel = depth / camera.focal / np.clip(-facing, 0.03, 1)  # metres that a pixel covers

    paint_ground(plan, ground, place, surface, labels, variant)
    paint_facades(across, place[..., 1], surface, variant)
    paint_fences(across, place[..., 1], surface)
    pattern, grain = textures(surface, across, place, rays, ground, pixel, rng)

    azimuth, height = rng.uniform(-2.2, 2.2), rng.uniform(0.6, 1.0)
    light = np.array([np.sin(azimuth) * np.cos(height), np.sin(height), -np.cos(azimuth) * np.cos(height)])
    close = firsts[:, 2] < 70  # farther shadows are too thin to see
    fallen = (points - points[:, 1:2] * light / light[1])[np.repeat(close, sizes)]
    shadow = _mask(camera, fallen, sizes[close]) * ground
    contact = _mask(camera, np.concatenate(shapes.contacts), np.array([len(c) for c in shapes.contacts]), 1.5) * ground
    sun = np.clip(normal @ light.astype(np.float32) + shade, 0, 1) * (1 - shadow)
    ambient = np.clip(0.72 + 0.28 * normal[..., 1] + 0.8 * shade, 0.1, 1) * (1 - 0.7 * contact)
    floats = (variant, depth, rays[..., 1], sun, ambient, pattern, grain)
    return Scene(_majority(labels), surface, *(field.astype(np.float32) for field in floats))


def _normals(points: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Unit normals (P, 3) of polygons, by Newell's method; arguments as for `Camera.project`."""
    starts = np.cumsum(sizes) - sizes
    following = np.arange(1, len(points) + 1)
    following[starts + sizes - 1] = starts
    normals = -np.add.reduceat(np.cross(points, points[following]), starts, axis=0)
    return normals / (np.linalg.norm(normals, axis=1, keepdims=True) + 1e-9)


def _rows(camera: Camera, points: np.ndarray, sizes: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """int (H, W): of every pixel the row of the nearest drawn polygon, _SKY where there is none."""
    image = Image.new("I", (camera.width, camera.height))
    pen = ImageDraw.Draw(image)
    for k, shape in enumerate(camera.project(points, sizes)):
        if shape and drawn[k]:
            pen.polygon(shape, fill=k + 2)
    return np.array(image)


def _across(normals: np.ndarray, firsts: np.ndarray, rows: np.ndarray, place: np.ndarray) -> np.ndarray:
    """float32 (H, W): metres from a polygon's first corner, level and in its plane; 0 in the sky and on the ground."""
    tangents = np.column_stack([-normals[:, 2], 0 * normals[:, 0], normals[:, 0]])
    tangents /= np.linalg.norm(tangents, axis=1, keepdims=True) + 1e-9
    origins = np.einsum("pc,pc->p", tangents, firsts)
    tangent = np.concatenate([np.zeros((2, 3)), tangents]).astype(np.float32)[rows]  # (H, W, 3)
    origin = np.concatenate([[0, 0], origins]).astype(np.float32)[rows]
    return np.einsum("hwc,hwc->hw", tangent, place) - origin


def _mask(camera: Camera, points: np.ndarray, sizes: np.ndarray, blur: float = 0.6) -> np.ndarray:
    """float32 (H, W): 1 inside the polygons, with soft edges."""
    image = Image.new("L", (camera.width, camera.height))
    pen = ImageDraw.Draw(image)
    for shape in camera.project(points, sizes):
        if shape:
            pen.polygon(shape, fill=255)
    return np.asarray(image.filter(ImageFilter.GaussianBlur(blur)), np.float32) / 255


def _majority(labels: np.ndarray) -> np.ndarray:
    """The commonest value of each 2 x 2 pixels; of several the smallest."""
    height, width = labels.shape
    blocks = labels.reshape(height // 2, 2, width // 2, 2).transpose(0, 2, 1, 3).reshape(height // 2, width // 2, 4)
    first, second, third, fourth = np.moveaxis(np.sort(blocks, axis=-1), -1, 0)
    rest = np.where((third == fourth) & (first != second), third, first)
    return np.where(second == third, second, rest)
