"""The mean colour of each class in the target, for translations that move classes to it."""

from collections.abc import Sequence
from typing import Any

from hflow.datasets.pairs import whole_ids, whole_image
from hflow.foundation.evenly_spaced import evenly_spaced
from hflow.foundation.labels import IGNORE
from hflow.metrics.colour_error import class_statistics, pooled

__all__ = ["typical_colours"]

MOST_IMAGES = 256


def typical_colours(
    target: Sequence[dict[str, Any]], classes: Sequence[str], size: tuple[int, int] | None
) -> dict[str, list[float] | None]:
    """The mean colour of each class, CIELAB (3,), by its name; None where the target shows nothing of it.

    Args:
        target: rows with "image" and "label_train_ids", of which at most `MOST_IMAGES`, evenly spaced, are measured.
        classes: the names; a name's place is its train id.
        size: (width, height) that images are brought to; None leaves theirs.
    """
    measured = []
    for row in evenly_spaced(target, MOST_IMAGES) if classes else ():
        pixels = whole_image(row, size)
        ids = whole_ids(row, pixels.shape[:2])
        if (ids != IGNORE).any():
            measured.append(class_statistics(pixels, ids))
    found = pooled(measured)
    return {name: found[i].mean.round(3).tolist() if i in found else None for i, name in enumerate(classes)}
