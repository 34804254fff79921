"""The comparison of datasets for people and for machines: a table in the terminal, Markdown, JSON."""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from hflow.foundation.atomic_files import write_text
from hflow.foundation.errors import HflowError
from hflow.reports.dataset_scores import DatasetScores

__all__ = ["PAPER", "check_suffix", "print_scores", "write_scores"]

PAPER = (
    ("CycleGAN", 75.93, 39.12, 28.92, 0.70, 22.12, 22.76, 454.91),
    ("GcGAN", 70.26, 38.13, 27.34, 0.67, 12.32, 7.84, 84.71),
    ("DRIT++", 75.89, 35.44, 27.31, 0.55, 14.69, 17.08, 170.18),
    ("CUT", 70.81, 37.12, 26.43, 0.61, 21.18, 11.38, 128.26),
    ("ArtFlow", 76.05, 45.37, 32.15, 0.52, 8.59, 6.42, 90.2),
    ("VSAIT", 75.33, 42.23, 30.33, 0.93, 7.94, 11.38, 128.26),
    ("Hierarchy Flow", 79.63, 45.67, 33.76, 0.87, 7.87, 0.68, 10.13),
)
"""Table 1 of Fan, Chen and Liu 2023: method, pxAcc, clsAcc and mIoU in percent, SSIM, FID, parameters in 10^6, GMAC."""

PAPER_NOTE = (
    "The paper's rows are as printed there: GTA5 to Cityscapes at 512x256, 19 classes, its own segmenter, an FID whose "
    "feature space and scale it doesn't name. They stand beside yours for orientation; only figures of one dataset and "
    "one protocol can be ranked. Its 0.68M parameters and 10.13 GMAC are those of expansions (10), not (10, 4)."
)
SHOWN_CHANGES = 5
WIDTH = 220
BAR = r"\|"  # in a cell of Markdown
SEMANTICS_HEADER = ("dataset", "kept", "from", "to", "share of the class")

Cell = Callable[[DatasetScores], str]


def print_scores(rows: Sequence[DatasetScores], console: Console | None = None) -> None:
    """Print the rows, the paper's below them, and what the judge sees changed."""
    console = console or Console()
    if not console.is_terminal:
        console.width = WIDTH
    header, body = _cells(rows)
    console.print(_table("Datasets compared", header, body, _paper_cells(header)))
    console.print(PAPER_NOTE, style="dim")
    semantics = _semantics_cells(rows)
    if semantics:
        console.print(_table("What a frozen segmenter sees changed, from class to class", SEMANTICS_HEADER, semantics))


def write_scores(path: Path, rows: Sequence[DatasetScores], protocol: dict[str, Any]) -> None:
    """Write the comparison as the file's suffix says.

    `.md`: the tables and the protocol. `.json`: every figure; the keys of FID and KID name their feature space, and a
    figure that is not finite is null.

    Raises:
        HflowError: the suffix is another.
    """
    check_suffix(path)
    if path.suffix == ".json":
        paper = [dict(zip(_PAPER_KEYS, row, strict=True)) for row in PAPER]
        value = {
            "protocol": protocol,
            "datasets": [_as_json(row) for row in rows],
            "paper": {"table1": paper, "note": PAPER_NOTE},
        }
        write_text(path, json.dumps(_finite(value), indent=2, allow_nan=False) + "\n")
    else:
        write_text(path, _markdown(rows, protocol))


def check_suffix(path: Path) -> None:
    """See whether the comparison can be written to a file of this name.

    Raises:
        HflowError: it can't.
    """
    if path.suffix not in (".json", ".md"):
        raise HflowError(f"{path} has to end in .json or .md")


_PAPER_KEYS = ("method", "pxAcc %", "clsAcc %", "mIoU %", "SSIM", "FID", "parameters 10^6", "GMAC")


def _table(
    title: str, header: Sequence[str], rows: Sequence[Sequence[str]], dim: Sequence[Sequence[str]] = ()
) -> Table:
    shown = Table(title=title, title_justify="left")
    for name in header:
        shown.add_column(name, justify="left" if name in ("dataset", "from", "to") else "right")
    for cells in rows:
        shown.add_row(*cells)
    shown.add_section()
    for cells in dim:
        shown.add_row(*cells, style="dim")
    return shown


def _cells(rows: Sequence[DatasetScores]) -> tuple[list[str], list[list[str]]]:
    space = rows[0].space
    columns: dict[str, Cell] = {
        "dataset": lambda row: row.name,
        "images": lambda row: str(row.images),
        "pxAcc % ↑": lambda row: _percent(row.segments, "pxAcc"),
        "clsAcc % ↑": lambda row: _percent(row.segments, "clsAcc"),
        "mIoU % ↑": lambda row: _percent(row.segments, "mIoU"),
        "SSIM ↑": lambda row: f"{row.fidelity.ssim:.3f}" if row.fidelity else "–",
        "PSNR ↑": lambda row: f"{row.fidelity.psnr:.1f}" if row.fidelity else "–",
        "ST-LPIPS ↓": lambda row: f"{row.fidelity.lpips:.3f}" if row.fidelity else "–",
        **_truth_columns(rows),
        "detail ↓": lambda row: f"{row.fidelity.detail:.1f}" if row.fidelity else "–",
        "class colour ↓": lambda row: _colour(row),
        "FCN mIoU % ↑": lambda row: _percent(row.reading, "mIoU"),
        "NIQE ↓": lambda row: "–" if row.niqe is None else f"{row.niqe:.2f}",
        f"FID {space} ↓": lambda row: f"{row.fid:.2f}",
        f"KID·10³ {space} ↓": lambda row: f"{1e3 * row.kid.mean:.2f} ± {1e3 * row.kid.std:.2f}",
        "params ↓": lambda row: f"{row.network.parameters / 1e6:.2f}M" if row.network else "–",
        "GMAC 512x256 ↓": lambda row: f"{row.network.gmac:.2f}" if row.network else "–",
    }
    return list(columns), [[cell(row) for cell in columns.values()] for row in rows]


def _paper_cells(header: Sequence[str]) -> list[list[str]]:
    """The paper's rows under these columns."""
    rows = []
    for method, pixel, of_class, miou, ssim, fid, parameters, gmac in PAPER:
        known = {
            "dataset": f"paper: {method}",
            "pxAcc % ↑": f"{pixel:.2f}",
            "clsAcc % ↑": f"{of_class:.2f}",
            "mIoU % ↑": f"{miou:.2f}",
            "SSIM ↑": f"{ssim:.2f}",
            "params ↓": f"{parameters:.2f}M",
            "GMAC 512x256 ↓": f"{gmac:.2f}",
        }
        rows.append([f"{fid:.2f} (paper's)" if name.startswith("FID ") else known.get(name, "") for name in header])
    return rows


def _truth_columns(rows: Sequence[DatasetScores]) -> dict[str, Cell]:
    """Columns of the closeness to the truth, where a set has any."""
    if all(row.truth is None for row in rows):
        return {}
    return {
        "SSIM to truth ↑": lambda row: f"{row.truth.ssim:.3f}" if row.truth else "–",
        "PSNR to truth ↑": lambda row: f"{row.truth.psnr:.1f}" if row.truth else "–",
        "ST-LPIPS to truth ↓": lambda row: (
            "–" if row.truth is None or row.truth.lpips is None else f"{row.truth.lpips:.3f}"
        ),
    }


def _semantics_cells(rows: Sequence[DatasetScores]) -> list[list[str]]:
    cells = []
    for row in rows:
        if row.semantics is None:
            continue
        kept = f"{100 * row.semantics.kept:.1f}%"
        changes = row.semantics.changes[:SHOWN_CHANGES]
        lines = [[c.before, c.after, f"{100 * c.share:.2f}%"] for c in changes] or [["nothing", "", ""]]
        cells += [[row.name if i == 0 else "", kept if i == 0 else "", *line] for i, line in enumerate(lines)]
    return cells


def _markdown(rows: Sequence[DatasetScores], protocol: dict[str, Any]) -> str:
    header, body = _cells(rows)
    parts = ["# Datasets compared", _markdown_table(header, [*body, *_paper_cells(header)]), PAPER_NOTE]
    semantics = _semantics_cells(rows)
    if semantics:
        parts.append("## What a frozen segmenter sees changed")
        parts.append(_markdown_table(SEMANTICS_HEADER, semantics))
    parts.append("## Protocol")
    parts.append("\n".join(f"- {name}: {value}" for name, value in protocol.items()))
    return "\n\n".join(parts) + "\n"


def _markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', BAR) for cell in line)} |" for line in lines)


def _as_json(row: DatasetScores) -> dict[str, Any]:
    fidelity = row.fidelity
    return {
        "name": row.name,
        "path": row.path,
        "images": row.images,
        "SSIM": fidelity and fidelity.ssim,
        "PSNR": fidelity and fidelity.psnr,
        "ST-LPIPS": fidelity and fidelity.lpips,
        "detail": fidelity and fidelity.detail,
        "class colour": fidelity and fidelity.class_colour,
        "FCN score": row.reading,
        "NIQE": row.niqe,
        "pairs": fidelity.pairs if fidelity else 0,
        "resized": fidelity.resized if fidelity else 0,
        f"FID/{row.space}": row.fid,
        f"KID/{row.space}": asdict(row.kid),
        "segments": row.segments,
        "semantics": row.semantics and asdict(row.semantics),
        "network": row.network and asdict(row.network),
        "truth": row.truth and {**asdict(row.truth), "pairs": row.truths},
    }


def _colour(row: DatasetScores) -> str:
    error = row.fidelity and row.fidelity.class_colour
    return "–" if error is None else f"{error:.1f}"


def _percent(segments: Any, key: str) -> str:
    return f"{100 * segments[key]:.2f}" if segments else "–"


def _finite(value: Any) -> Any:
    """The value with null for what JSON can't say."""
    if isinstance(value, dict):
        return {key: _finite(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
