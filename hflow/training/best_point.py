"""Which of a training's measured points is published by `train.keep: best`."""

from collections.abc import Mapping, Sequence

from hflow.metrics.invented_detail import DETAIL_LIMIT

__all__ = ["best_point"]


def best_point(points: Sequence[Mapping[str, float]]) -> Mapping[str, float]:
    """The point of the lowest colour error among those whose invented detail is at most `DETAIL_LIMIT`.

    Frames left as they are have no invented detail, so that alone would be won by doing nothing; the lowest colour
    error alone by a recolouring with halos and grain. By class where the points have it, else over the picture. Where
    every point is above the limit, the one of the least invented detail; of equals the earliest.

    Args:
        points: at least one, as `measures.csv` has them.
    """

    def rank(point: Mapping[str, float]) -> tuple[bool, float]:
        detail = point["invented_detail"]
        clean = detail <= DETAIL_LIMIT
        return not clean, point.get("class_colour_error", point["colour_error"]) if clean else detail

    return min(points, key=rank)
