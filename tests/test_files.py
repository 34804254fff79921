"""What carries its final name is whole."""

from pathlib import Path

import pytest

from hflow.files import WorkFolder, atomic_path, code_fingerprint, fingerprint, publish


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    place = tmp_path / "file"
    place.write_text("old")

    def interrupted() -> None:
        with atomic_path(place) as temporary:
            temporary.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        interrupted()
    assert place.read_text() == "old"
    assert list(tmp_path.iterdir()) == [place]


def test_publishing_makes_a_folder_hold_exactly_what_is_given(tmp_path: Path) -> None:
    (tmp_path / "piece").write_text("piece")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "stale").write_text("stale")
    publish({"a/b": tmp_path / "piece", "c": b"bytes"}, tmp_path / "out")
    found = {
        p.relative_to(tmp_path / "out").as_posix(): p.read_text() for p in (tmp_path / "out").rglob("*") if p.is_file()
    }
    assert found == {"a/b": "piece", "c": "bytes"}
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out", "piece"]


def test_a_finished_piece_is_found_by_its_fingerprint(tmp_path: Path) -> None:
    work = WorkFolder(tmp_path)
    with work.begin("one") as (path, note):
        path.write_text("content")
        note["rows"] = 3
    piece = work.find("one")
    assert piece is not None
    assert piece.path.read_text() == "content"
    assert piece.note["rows"] == 3
    assert work.find("two") is None


def test_an_interrupted_piece_is_not_finished(tmp_path: Path) -> None:
    work = WorkFolder(tmp_path)

    def interrupted() -> None:
        with work.begin("one") as (path, _):
            path.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        interrupted()
    assert work.find("one") is None


def test_a_piece_whose_bytes_have_changed_is_not_finished(tmp_path: Path) -> None:
    work = WorkFolder(tmp_path)
    with work.begin("one") as (path, _):
        path.write_text("content")
    (tmp_path / "one").write_text("Content")
    assert work.find("one") is None


def test_fingerprints_differ_by_value_and_not_by_the_order_of_keys() -> None:
    assert fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1})
    assert fingerprint({"a": 1}) != fingerprint({"a": 2})


def test_the_fingerprint_of_code_differs_from_module_to_module() -> None:
    assert code_fingerprint("labels.py") != code_fingerprint("files.py")
    assert code_fingerprint("model", "labels.py") == code_fingerprint("labels.py", "model")
