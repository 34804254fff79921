"""The page and the table of a sweep: every figure of every experiment, drawn and in numbers."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hflow.foundation.atomic_files import atomic_path, csv_bytes
from hflow.metrics.mean_interval import mean_interval
from hflow.reports.charts import dots_in_a_row
from hflow.reports.html_parts import number, write_page

__all__ = ["write_sweep"]

COUNTS = ("given", "translated", "rejected")
LEAD = ("mIoU/translated", "gain", "FCN_score", "ssim")


def write_sweep(name: str, rows: Sequence[tuple[str, Mapping[str, Any], Mapping[str, float]]], folder: Path) -> Path:
    """Write index.html and results.csv, each atomically; the same rows give the same bytes.

    Args:
        name: of the sweep.
        rows: the name of each experiment, what it changes, and its figures.
        folder: where to write.

    Returns:
        The page.
    """
    table = [{"experiment": one, **_texts(setting), **figures} for one, setting, figures in rows]
    with atomic_path(folder / "results.csv") as place:
        place.write_bytes(csv_bytes(_whole(table)))
    figures = [key for key in rows[0][2] if key not in COUNTS and all(key in row[2] for row in rows)]
    labels = [", ".join(_texts(setting).values()) for _, setting, _ in rows]
    page = folder / "index.html"
    write_page(
        "sweep.html.j2",
        {
            "title": f"Sweep: {name}",
            "verdict": _verdict(labels, rows, figures, seeds=all(set(row[1]) == {"train.seed"} for row in rows)),
            "changed": ", ".join(rows[0][1]),
            "figures": figures,
            "panels": [dots_in_a_row([row[2][key] for row in rows], labels, key) for key in figures],
            "rows": [
                (label, one, [row_figures[key] for key in figures])
                for label, (one, _, row_figures) in zip(labels, rows, strict=True)
            ],
        },
        page,
    )
    return page


def _texts(setting: Mapping[str, Any]) -> dict[str, str]:
    return {
        name: " ".join(map(str, value)) if isinstance(value, list) else str(value) for name, value in setting.items()
    }


def _whole(table: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The same columns in every row."""
    columns = list(dict.fromkeys(column for row in table for column in row))
    return [{column: row.get(column) for column in columns} for row in table]


def _verdict(
    labels: Sequence[str],
    rows: Sequence[tuple[str, Mapping[str, Any], Mapping[str, float]]],
    figures: Sequence[str],
    *,
    seeds: bool,
) -> str:
    lead = next((key for key in LEAD if key in figures), None)
    if lead is None:
        return "No figure is known of every experiment."
    values = [row[2][lead] for row in rows]
    if seeds:
        mean, interval = mean_interval(values)
        of = f", with 95% confidence from {number(interval[0])} to {number(interval[1])}" if interval else ""
        return f"{lead} is {number(mean)} on average of {len(values)} seeds{of}."
    best = max(range(len(values)), key=values.__getitem__)
    return (
        f"{lead} is highest at {labels[best]}, {number(values[best])}; the others are {number(min(values))} and more. "
        "One training each: what seeds alone change is `hflow sweep seeds`."
    )
