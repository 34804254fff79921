"""Finished work is known by its fingerprint and its bytes."""

from pathlib import Path

import pytest

from hflow.foundation.finished_work import Finished, WorkFolder


def test_a_piece_is_made_once_and_found_by_its_fingerprint(tmp_path: Path) -> None:
    work = WorkFolder(tmp_path)

    def make(path: Path) -> dict[str, int]:
        path.write_text("content")
        return {"rows": 3}

    made = work.obtain("one", make)
    assert (made.path.read_text(), made.note["rows"]) == ("content", 3)
    assert work.find("one") == made
    assert work.obtain("one", lambda _: pytest.fail("made again")) == made
    assert work.find("two") is None


def test_an_interrupted_piece_is_not_finished(tmp_path: Path) -> None:
    work = WorkFolder(tmp_path)

    def interrupted(path: Path) -> dict[str, int]:
        path.write_text("half")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        work.obtain("one", interrupted)
    assert work.find("one") is None


def test_a_piece_whose_bytes_have_changed_is_not_finished(tmp_path: Path) -> None:
    work = WorkFolder(tmp_path)
    work.obtain("one", lambda path: {"bytes": path.write_text("content")})
    (tmp_path / "one").write_text("Content")
    assert work.find("one") is None


def test_a_piece_that_is_not_to_be_kept_is_given_back_and_made_again(tmp_path: Path) -> None:
    work, counts = WorkFolder(tmp_path), iter((2, 0))

    def make(path: Path) -> dict[str, int]:
        path.write_text("content")
        return {"left": next(counts)}

    def obtained() -> Finished:
        return work.obtain("one", make, keep=lambda note: not note["left"])

    first = obtained()
    assert (first.path.read_text(), first.note, work.find("one")) == ("content", {"left": 2}, None)
    assert obtained().note == {"left": 0}
    assert work.find("one") == obtained()
