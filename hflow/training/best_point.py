"""Which of a training's measured points is published by `train.keep: best`."""

from collections.abc import Mapping, Sequence

from hflow.metrics.invented_detail import DETAIL_LIMIT

__all__ = ["best_point"]

EXCHANGED = 0.1
"""The SSIM of frames to their source below which light and dark are exchanged: drawn streets as negatives had 0.05 and
0.08, and as bright as they can be made 0.47."""


def best_point(points: Sequence[Mapping[str, float]]) -> Mapping[str, float]:
    """The point of the best FCN score or colour error among those whose invented detail is at most `DETAIL_LIMIT`.

    Points whose frames are negatives of their source, by an SSIM below `EXCHANGED`, come behind all others.
    Frames left as they are have no invented detail, so that alone would be won by doing nothing; the lowest colour
    error alone by a recolouring with halos and grain. What counts is the highest FCN score where the points have it,
    else the lowest colour error, by class where they have that, else over the picture. Where every point is above the
    limit, the one of the least invented detail; of equals the earliest.

    Args:
        points: at least one, as `measures.csv` has them.
    """

    def rank(point: Mapping[str, float]) -> tuple[bool, bool, float]:
        exchanged, detail = point["ssim"] < EXCHANGED, point["invented_detail"]
        if detail > DETAIL_LIMIT:
            return exchanged, True, detail
        if "fcn_score" in point:
            return exchanged, False, -point["fcn_score"]
        return exchanged, False, point.get("class_colour_error", point["colour_error"])

    return min(points, key=rank)
