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
KID = "KID"
LEAD = {"mIoU/translated": max, "gain": max, "psnr_to_truth": max, KID: min, "FCN_score": max}
"""By what experiments are ranked, the first that all have; SSIM to the frame is highest where nothing was changed."""


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
            "figures": [_title(key) for key in figures],
            "panels": [dots_in_a_row([_shown(row[2], key) for row in rows], labels, _title(key)) for key in figures],
            "rows": [
                (label, one, [_shown(row_figures, key) for key in figures])
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


def _title(key: str) -> str:
    return f"{KID} × 1000" if key == KID else key


def _shown(figures: Mapping[str, float], key: str) -> float:
    """A figure in the units of `_title`."""
    return 1000 * figures[key] if key == KID else figures[key]


def _verdict(
    labels: Sequence[str],
    rows: Sequence[tuple[str, Mapping[str, Any], Mapping[str, float]]],
    figures: Sequence[str],
    *,
    seeds: bool,
) -> str:
    lead = next((key for key in (*LEAD, *(["ssim"] if seeds else [])) if key in figures), None)
    if lead is None:
        return "No figure that tells better from worse is known of every experiment."
    values = [_shown(row[2], lead) for row in rows]
    if seeds:
        mean, interval = mean_interval(values)
        of = f", with 95% confidence from {number(interval[0])} to {number(interval[1])}" if interval else ""
        return f"{_title(lead)} is {number(mean)} on average of {len(values)} seeds{of}."
    best = LEAD[lead](range(len(values)), key=values.__getitem__)
    place, worst, others = ("lowest", max, "less") if LEAD[lead] is min else ("highest", min, "more")
    return (
        f"{_title(lead)} is {place} at {labels[best]}, {number(values[best])}; the others are "
        f"{number(worst(values))} and {others}. "
        "One training each: what seeds alone change is `hflow sweep seeds`."
    )
