"""A million frames are too many rows for Python: what a dataset takes beside its pictures grows by little a row."""

import tracemalloc
from pathlib import Path

import pytest

from hflow.benchmarks.bookkeeping import PARTS, draw_project
from hflow.datasets.verdicts import Verdict, Verdicts
from hflow.review.frames import choose_frames

FEW, MANY = 660, 7260
BYTES_A_ROW = 600
"""As a mapping a row takes 2,500 and more."""


@pytest.fixture(scope="module")
def projects(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """Of few frames and of many: the parts, in their order, leave in them what the next ones need."""
    folders = {frames: tmp_path_factory.mktemp(str(frames)) for frames in (FEW, MANY)}
    for frames, folder in folders.items():
        draw_project(folder, frames)
    return folders


def _review(folder: Path) -> None:
    judged = Verdicts([Verdict("", "town01/0000/frame_00000000", "", "keep")])
    assert len(choose_frames(folder / "translated", folder / "prepared", 100, judged).rows) == 100


@pytest.mark.parametrize("part", [*PARTS, "review"])
def test_python_holds_no_row_of_each_frame(projects: dict[int, Path], part: str) -> None:
    peaks = {}
    for frames, folder in projects.items():
        tracemalloc.start()
        {**PARTS, "review": _review}[part](folder)
        peaks[frames] = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peaks[MANY] - peaks[FEW] < BYTES_A_ROW * (MANY - FEW)
