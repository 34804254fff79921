"""The objects of a frame, from an image that tells them apart as Cityscapes' instanceIds do."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import find_objects

from hflow.datasets.images import decode_ids, encode_png, open_image
from hflow.foundation.errors import HflowError
from hflow.foundation.labels import IGNORE

__all__ = ["INSTANCES", "THINGS", "Objects", "Segment", "read_objects"]

INSTANCES = "instances"
"""The kind of carried files that has them."""

THINGS = ("person", "rider", "car", "truck", "bus", "train", "motorcycle", "bicycle")
"""The classes of Cityscapes whose objects are told apart. Source: cityscapesScripts, helpers/labels.py."""

FIRST_OBJECT = 1000
"""A value from this on is an object: its class's raw id times 1000, and a number."""


@dataclass(frozen=True)
class Segment:
    """One object, or all of a class that is not told apart.

    Attributes:
        id: its number in the panoptic image: the instance image's value of an object, else the train id and 1.
        train_id: of its class.
        single: whether it is one object.
        box: left, top, width and height in pixels.
        area: how many pixels it has.
        runs: of a mask, how many pixels are outside, inside, outside, ..., down the columns, as COCO counts them; empty
            for what no object can be of.
    """

    id: int
    train_id: int
    single: bool
    box: tuple[int, int, int, int]
    area: int
    runs: Sequence[int]


@dataclass(frozen=True)
class Objects:
    """The segments of a frame, its (width, height), and its panoptic image as PNG: id = R + 256 G + 65536 B, 0 none."""

    segments: Sequence[Segment]
    size: tuple[int, int]
    panoptic: bytes


def read_objects(key: str, instances: bytes, label: bytes, train_ids: bytes, classes: Sequence[str]) -> Objects:
    """The objects of a frame.

    Args:
        key: of the frame, for errors to name.
        instances: an image of 8 to 32 bits: raw id * 1000 + number where an object is, the raw id where none is told
            from another.
        label: the raw ids, as PNG.
        train_ids: as PNG.
        classes: the names of the train ids.

    Raises:
        HflowError: the image has colours or another size, or its raw ids are not those of the label.
    """
    try:
        image = open_image(instances)
    except HflowError as error:
        raise HflowError(f"the instances of {key!r}: {error}") from None
    if image.mode not in ("L", "P", "F") and not image.mode.startswith("I"):
        raise HflowError(f"the instances of {key!r} are colours, not numbers: their mode is {image.mode}")
    values, ids, trained = np.asarray(image).astype(np.int64), decode_ids(label), decode_ids(train_ids)
    if values.shape != ids.shape:
        raise HflowError(f"the instances of {key!r} are {image.width}x{image.height}, the label is not")
    single = values >= FIRST_OBJECT
    unlike = np.where(single, values // FIRST_OBJECT, values) != ids
    if unlike.any():
        y, x = (int(n) for n in np.argwhere(unlike)[0])
        raise HflowError(
            f"the instances of {key!r} are not as Cityscapes' instanceIds, the label's id times 1000 and a number: at "
            f"({x}, {y}) they have {values[y, x]}, and the label {ids[y, x]}"
        )
    panoptic = np.where(trained == IGNORE, 0, np.where(single, values, trained.astype(np.int64) + 1))
    found, places = np.unique(panoptic, return_inverse=True)
    places = places.reshape(panoptic.shape)
    things = [number for number, name in enumerate(classes) if name in THINGS]
    segments = []
    for number, box in enumerate(find_objects(places + 1)):
        if found[number] == 0:
            continue
        mask = places[box] == number
        rows, columns = box
        train_id = int(trained[box][mask][0])
        one = bool(found[number] >= FIRST_OBJECT)
        segments.append(
            Segment(
                int(found[number]),
                train_id,
                one,
                (columns.start, rows.start, columns.stop - columns.start, rows.stop - rows.start),
                int(mask.sum()),
                _runs(mask, box, ids.shape) if one or train_id in things else (),
            )
        )
    coloured = np.stack([panoptic % 256, panoptic // 256 % 256, panoptic // 65536], axis=2).astype(np.uint8)
    return Objects(segments, (ids.shape[1], ids.shape[0]), encode_png(coloured))


def _runs(mask: np.ndarray, box: tuple[slice, slice], shape: tuple[int, ...]) -> list[int]:
    rows, columns = box
    whole = np.zeros((shape[0], mask.shape[1] + 2), np.int8)
    whole[rows, 1:-1] = mask  # a column of nothing on both sides
    bounds = np.flatnonzero(np.diff(whole.ravel(order="F"))) + 1 + (columns.start - 1) * shape[0]
    runs = np.diff(np.concatenate([[0], bounds, [shape[0] * shape[1]]]))
    return [int(n) for n in (runs if runs[-1] else runs[:-1])]
