"""What carries its final name is whole."""

import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from hflow.foundation import files
from hflow.foundation.errors import HflowError
from hflow.foundation.files import (
    WorkFolder,
    atomic_path,
    code_fingerprint,
    exclusive,
    fingerprint,
    publish,
    remove_leftovers,
)


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


def test_a_link_to_a_folder_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "disk" / "out").mkdir(parents=True)
    (tmp_path / "out").symlink_to(tmp_path / "disk" / "out")
    for text in (b"old", b"new"):
        publish({"a": text}, tmp_path / "out")
    assert (tmp_path / "out").is_symlink()
    assert (tmp_path / "disk" / "out" / "a").read_bytes() == b"new"
    assert [p.name for p in (tmp_path / "disk").iterdir()] == ["out"]


OLD, NEW = {"a": "old", "only in old": "old"}, {"a": "new", "b/c": "new"}


def _publish_killed_at(step: int, folder: Path) -> bool:
    """Replace OLD by NEW in a forked process that is killed at this step; False where it takes fewer steps."""
    publish({name: text.encode() for name, text in OLD.items()}, folder)
    child = os.fork()
    if child == 0:
        taken = 0

        def count(event: str, _: tuple[Any, ...]) -> None:
            nonlocal taken
            if event not in ("open", "os.rename", "os.mkdir", "os.remove", "os.rmdir", "ctypes.dlsym"):
                return
            taken += 1
            if taken == step:
                os.kill(os.getpid(), signal.SIGKILL)

        try:
            sys.addaudithook(count)
            publish({name: text.encode() for name, text in NEW.items()}, folder)
        finally:
            os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def _texts(folder: Path) -> dict[str, str]:
    return {p.relative_to(folder).as_posix(): p.read_text() for p in folder.rglob("*") if p.is_file()}


def test_a_published_folder_is_the_old_or_the_new_one_wherever_a_kill_comes(tmp_path: Path) -> None:
    found = []
    while _publish_killed_at(len(found) + 1, tmp_path / "out"):
        found.append(_texts(tmp_path / "out"))
        remove_leftovers(tmp_path / "out")
        assert [p.name for p in tmp_path.iterdir()] == ["out"]
    assert len(found) > 10
    assert found.count(OLD) + found.count(NEW) == len(found)
    assert OLD in found
    assert NEW in found
    assert _texts(tmp_path / "out") == NEW


def test_where_names_can_t_be_exchanged_a_kill_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_exchange", lambda *_: False)
    absent = step = 0
    while _publish_killed_at(step := step + 1, tmp_path / "out"):
        absent += not (tmp_path / "out").exists()
        remove_leftovers(tmp_path / "out")
        assert _texts(tmp_path / "out") in (OLD, NEW)
        assert [p.name for p in tmp_path.iterdir()] == ["out"]
    assert absent, "no kill came between the two renames"
    assert _texts(tmp_path / "out") == NEW


def test_a_rename_that_fails_leaves_the_old_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_exchange", lambda *_: False)
    publish({"a": b"old"}, tmp_path / "out")
    rename, calls = Path.rename, 0

    def second_fails(self: Path, target: Path) -> Path:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise OSError(5, "Input/output error")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", second_fails)
    with pytest.raises(OSError, match="Input/output"):
        publish({"a": b"new"}, tmp_path / "out")
    assert (tmp_path / "out" / "a").read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


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


def test_what_a_killed_write_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    for name in (".a.x.tmp", ".a.y.old", ".ab.x.tmp", "a", ".a.lock"):
        (tmp_path / name).touch()
    remove_leftovers(tmp_path / "a")
    assert {p.name for p in tmp_path.iterdir()} == {".ab.x.tmp", "a", ".a.lock"}


def test_one_process_at_a_time_writes_and_leaves_no_lock(tmp_path: Path) -> None:
    with exclusive(tmp_path / "out"):
        with pytest.raises(HflowError, match="out is being written by process"), exclusive(tmp_path / "out"):
            pass
        with exclusive(tmp_path / "other"):
            pass
    with exclusive(tmp_path / "out"):
        pass
    assert not list(tmp_path.iterdir())


def test_a_lock_whose_process_was_killed_holds_nobody_up(tmp_path: Path) -> None:
    (tmp_path / ".out.lock").write_text("process 1 on another")
    with exclusive(tmp_path / "out"):
        pass


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


def test_fingerprints_differ_by_value_and_not_by_the_order_of_keys() -> None:
    assert fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1})
    assert fingerprint({"a": 1}) != fingerprint({"a": 2})


def test_the_fingerprint_of_code_differs_from_module_to_module() -> None:
    assert code_fingerprint("foundation/labels.py") != code_fingerprint("foundation/files.py")
    assert code_fingerprint("model", "foundation/labels.py") == code_fingerprint("foundation/labels.py", "model")
