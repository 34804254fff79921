"""Numbers as the geometry of small drawings, which a page's template then draws."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["dot_strip", "dots_in_a_row", "histogram_bars", "learning_curve"]

CURVE_POINTS = 300
PANEL = (320, 150)
MARGIN = {"left": 34, "right": 6, "top": 10, "bottom": 20}
STRIP = (160, 18)


def learning_curve(
    curves: Sequence[Mapping[str, float]], name: str, text: str, *, logarithmic: bool = True
) -> dict[str, Any]:
    """A learning curve in the units of a panel of 320x150.

    Args:
        curves: a mapping of `step` and the values a point, at least one.
        name: which value.
        text: what it says, for the reader.
        logarithmic: whether the values' scale is; a loss's is, a measure may be 0 or less.
    """
    size = math.ceil(len(curves) / CURVE_POINTS)
    groups = [curves[i : i + size] for i in range(0, len(curves), size)]
    values = [sum(point[name] for point in group) / len(group) for group in groups]
    # A loss of 0 has no logarithm.
    heights = [math.log10(max(value, 1e-9)) for value in values] if logarithmic else values
    low, high = _scale(heights, 0.1 if logarithmic else max(0.02 * abs(max(heights)), 1e-9))
    steps = [group[-1]["step"] for group in groups]
    first, last = steps[0], steps[-1]

    def x(step: float) -> float:
        return _between(MARGIN["left"], PANEL[0] - MARGIN["right"], (step - first) / ((last - first) or 1))

    def y(height: float) -> float:
        return _between(PANEL[1] - MARGIN["bottom"], MARGIN["top"], (height - low) / (high - low))

    ticks = [(math.log10(t), t) for t in _ticks(low, high)] if logarithmic else [(t, t) for t in _even_ticks(low, high)]

    return {
        "name": name,
        "text": text,
        "last": curves[-1][name],
        "points": " ".join(f"{x(step):.1f},{y(height):.1f}" for step, height in zip(steps, heights, strict=True)),
        "end": (x(last), y(heights[-1])),
        "ticks": [(y(height), f"{value:g}") for height, value in ticks],
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


def dots_in_a_row(values: Sequence[float], labels: Sequence[str], text: str) -> dict[str, Any]:
    """A dot for each value, at equal distances, in the units of a panel of 320x150.

    Args:
        values: at least one.
        labels: what each is of.
        text: what the values are, for the reader.
    """
    low, high = _scale(values, max(0.02 * max(map(abs, values)), 1e-9))

    def y(value: float) -> float:
        return _between(PANEL[1] - MARGIN["bottom"], MARGIN["top"], (value - low) / (high - low))

    wide = (PANEL[0] - MARGIN["left"] - MARGIN["right"]) / len(values)
    places = [MARGIN["left"] + wide * (number + 0.5) for number in range(len(values))]
    return {
        "text": text,
        "dots": [(x, y(value), label, value) for x, value, label in zip(places, values, labels, strict=True)],
        "ticks": [(y(tick), f"{tick:g}") for tick in _even_ticks(low, high)],
    }


def _scale(values: Sequence[float], least: float) -> tuple[float, float]:
    """From the lowest value to the highest; wider where they are nearer than `least`."""
    low, high = min(values), max(values)
    return (low, high) if high - low >= least else (low - least / 2, high + least / 2)


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


def _even_ticks(low: float, high: float) -> list[float]:
    """Round values between two others, from three to six of them."""
    span = high - low
    unit = 10.0 ** math.floor(math.log10(span))
    step = next(unit * part for part in (2, 1, 0.5, 0.25) if span / (unit * part) >= 3)
    first = math.ceil(low / step)
    return [round(step * n, 12) for n in range(first, math.floor(high / step) + 1)]


def _between(start: float, end: float, share: float) -> float:
    return start + (end - start) * share
