"""The page of a comparison: two datasets or two models side by side, the largest changes first."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hflow.foundation.atomic_files import atomic_path
from hflow.foundation.labels import IGNORE
from hflow.reports.charts import histogram_bars
from hflow.reports.comparison import Comparison, ShownChange
from hflow.reports.html_parts import PICTURE_BYTES, Colour, class_colours, count, legend, picture_uris, write_page

__all__ = ["summary", "write_comparison"]

LISTED = 100

COLUMNS = ("split", "key", "difference", "style_a", "style_b", "ssim_a", "ssim_b")
"""Of changes.csv."""


def write_comparison(comparison: Comparison, folder: Path, *, classes: Sequence[str]) -> Path:
    """Write index.html and, where frames differ, changes.csv, each atomically.

    Args:
        comparison: what differs.
        folder: where to write; what else is in it stays.
        classes: the class names; a name's place is its train id. None are needed without labels.

    Returns:
        The page.
    """
    table = folder / "changes.csv"
    if comparison.changes:
        with atomic_path(table) as place, place.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(COLUMNS)
            for change in comparison.changes:
                difference = round(change.difference, 4)
                writer.writerow([change.split, change.key, difference, *change.styles, *change.ssim])
    else:
        table.unlink(missing_ok=True)
    page = folder / "index.html"
    write_page("comparison.html.j2", _page(comparison, classes), page)
    return page


def summary(comparison: Comparison) -> str:
    """What differs, in one sentence with its numbers."""
    changes, total = comparison.changes, len(comparison.changes) + comparison.same
    if changes:
        mean = changes.differences.mean()
        said = (
            f"{count(len(changes))} of {count(total)} frames differ, by {mean:.1f} grey levels of 255 on average and "
            f"by {changes[0].difference:.1f} at most"
        )
    else:
        said = f"All {count(total)} frames are the same" if total > 1 else "The one frame of both is the same"
    for side, rows in zip("AB", comparison.alone, strict=True):
        said += f"; {count(len(rows))} more {'is' if len(rows) == 1 else 'are'} in {side} alone" if rows else ""
    return said + "."


def _page(comparison: Comparison, classes: Sequence[str]) -> dict[str, Any]:
    labels = [changed.label for changed in comparison.shown]
    ids = {int(i) for label in labels if label is not None for i in np.unique(label)} - {IGNORE}
    names = [*classes, *(f"class {i}" for i in range(len(classes), max(ids, default=-1) + 1))]
    colours = class_colours(names)
    budget = PICTURE_BYTES // max(len(comparison.shown), 1)
    a, b = comparison.sides
    facts = [(name, a.facts.get(name, "–"), b.facts.get(name, "–")) for name in {**a.facts, **b.facts}]
    return {
        "title": f"{a.name} (A) and {b.name} (B)",
        "verdict": summary(comparison),
        "comparison": comparison,
        "frames": [_frame(changed, colours, budget) for changed in comparison.shown],
        "legend": legend(labels, names, colours),
        # What differs first.
        "facts": sorted(facts, key=lambda fact: fact[1] == fact[2]),
        "histogram": histogram_bars(comparison.histogram, 0, comparison.top),
        "listed": comparison.changes[:LISTED],
        "alone": [
            (side, [" ".join(filter(None, (row["split"], row["key"]))) for row in rows[:LISTED]], len(rows))
            for side, rows in zip("AB", comparison.alone, strict=True)
            if rows
        ],
    }


def _frame(changed: ShownChange, colours: Sequence[Colour], budget: int) -> dict[str, Any]:
    height, width = changed.before.shape[:2]
    made = picture_uris({"before": changed.before, "after": changed.after}, changed.label, colours, budget)
    return {"key": changed.change.key, "width": width, "height": height, "change": changed.change, **made}
