"""A timing belongs to one result, and counts the work of the run that made it alone."""

from pathlib import Path

import pytest

from hflow.foundation.finished_work import WorkFolder
from hflow.foundation.timings import Timing, Watch, read_timing, write_timing


def _finish(work: Path, name: str, rows: int) -> None:
    def make(path: Path) -> dict[str, int]:
        path.write_text(name)
        return {"rows": rows}

    WorkFolder(work).obtain(name, make)


def test_a_timing_is_found_for_the_result_it_was_filed_under_alone(tmp_path: Path) -> None:
    result = tmp_path / "manifest"
    result.write_text("first")
    write_timing(tmp_path / "timings", result, Timing(12, 3.0, "cpu"))
    found = read_timing(tmp_path / "timings", result)
    assert found
    assert found.rate == 4.0
    result.write_text("second")
    assert read_timing(tmp_path / "timings", result) is None
    result.write_text("first")
    assert read_timing(tmp_path / "timings", result) == found


def test_only_what_this_run_finished_is_counted(tmp_path: Path) -> None:
    _finish(tmp_path, "a", 5)
    watch = Watch(tmp_path)
    _finish(tmp_path, "b", 7)
    assert watch.finished() == [{"rows": 7}]
    assert watch.stop(7, "cpu").seconds > 0


def test_a_run_that_found_all_done_leaves_the_earlier_timing(tmp_path: Path) -> None:
    result = tmp_path / "manifest"
    result.write_text("result")
    write_timing(tmp_path / "timings", result, Timing(12, 3.0, "cpu"))
    write_timing(tmp_path / "timings", result, Timing(0, 0.1, "cpu"))
    assert read_timing(tmp_path / "timings", result) == Timing(12, 3.0, "cpu")


@pytest.mark.parametrize("content", ["", "{", '{"frames": 3}'])
def test_a_damaged_timing_is_none(tmp_path: Path, content: str) -> None:
    result = tmp_path / "manifest"
    result.write_text("result")
    write_timing(tmp_path / "timings", result, Timing(12, 3.0, "cpu"))
    next((tmp_path / "timings").iterdir()).write_text(content)
    assert read_timing(tmp_path / "timings", result) is None
