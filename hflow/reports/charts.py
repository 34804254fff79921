"""Numbers as the geometry of small drawings, which a page's template then draws."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["dot_strip", "histogram_bars", "learning_curve"]

CURVE_POINTS = 300
PANEL = (320, 150)
MARGIN = {"left": 34, "right": 6, "top": 10, "bottom": 20}
STRIP = (160, 18)


def learning_curve(curves: Sequence[Mapping[str, float]], name: str, text: str) -> dict[str, Any]:
    """A learning curve in the units of a panel of 320x150, its values on a logarithmic scale.

    Args:
        curves: a mapping of `step` and the values a point, at least one.
        name: which value.
        text: what it says, for the reader.
    """
    size = math.ceil(len(curves) / CURVE_POINTS)
    groups = [curves[i : i + size] for i in range(0, len(curves), size)]
    # A loss of 0 has no logarithm.
    points = [(group[-1]["step"], max(sum(r[name] for r in group) / len(group), 1e-9)) for group in groups]
    low, high = math.log10(min(v for _, v in points)), math.log10(max(v for _, v in points))
    if high - low < 0.1:
        low, high = low - 0.05, high + 0.05
    first, last = points[0][0], points[-1][0]

    def x(step: float) -> float:
        return _between(MARGIN["left"], PANEL[0] - MARGIN["right"], (step - first) / ((last - first) or 1))

    def y(value: float) -> float:
        return _between(PANEL[1] - MARGIN["bottom"], MARGIN["top"], (math.log10(value) - low) / (high - low))

    return {
        "name": name,
        "text": text,
        "last": curves[-1][name],
        "points": " ".join(f"{x(step):.1f},{y(value):.1f}" for step, value in points),
        "end": (x(last), y(points[-1][1])),
        "ticks": [(y(value), f"{value:g}") for value in _ticks(low, high)],
        "steps": (f"{first:,.0f}", f"{last:,.0f}"),
    }


def histogram_bars(counts: Sequence[int], low: float, high: float) -> dict[str, Any]:
    """A histogram in the units of a panel of 320x150: counts of equally wide bins from `low` to `high`."""
    wide, bottom = (PANEL[0] - 2 * MARGIN["right"]) / len(counts), PANEL[1] - MARGIN["bottom"]
    tall, most = bottom - MARGIN["top"], max(counts) or 1
    columns = [
        {
            "x": MARGIN["right"] + i * wide + 1,
            "y": bottom - tall * n / most,
            "width": wide - 2,
            "height": tall * n / most,
            "from": _between(low, high, i / len(counts)),
            "to": _between(low, high, (i + 1) / len(counts)),
            "count": n,
        }
        for i, n in enumerate(counts)
    ]
    shares = (0, 0.25, 0.5, 0.75, 1)
    ticks = [
        (_between(MARGIN["right"], PANEL[0] - MARGIN["right"], s), f"{_between(low, high, s):.3g}") for s in shares
    ]
    return {"columns": columns, "ticks": ticks}


def dot_strip(values: Sequence[float], mean: float, low: float, high: float) -> dict[str, Any]:
    """Points on a line from `low` to `high`, in the units of a strip of 160x18, and where their mean is."""

    def x(value: float) -> float:
        return _between(4, STRIP[0] - 4, (value - low) / (high - low) if high > low else 0.5)

    return {"points": [x(value) for value in values], "mean": x(mean)}


def _ticks(low: float, high: float) -> list[float]:
    """Round values between two logarithms, from two to five of them where that can be."""
    decades = range(math.floor(low), math.ceil(high) + 1)
    ticks: list[float] = []
    for digits in ((1,), (1, 3), (1, 2, 5), tuple(range(1, 10)), tuple(n / 4 for n in range(4, 40))):
        ticks = [float(f"{d}e{k}") for k in decades for d in digits]
        ticks = [value for value in ticks if low <= math.log10(value) <= high]
        if len(ticks) >= 2:
            break
    return ticks[:: math.ceil(len(ticks) / 5)] if ticks else []


def _between(start: float, end: float, share: float) -> float:
    return start + (end - start) * share
