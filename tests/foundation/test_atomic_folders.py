"""A published folder is the old one or the new one."""

import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from hflow.foundation import atomic_folders
from hflow.foundation.atomic_folders import publish, remove_leftovers


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
    monkeypatch.setattr(atomic_folders, "_exchange", lambda *_: False)
    absent = step = 0
    while _publish_killed_at(step := step + 1, tmp_path / "out"):
        absent += not (tmp_path / "out").exists()
        remove_leftovers(tmp_path / "out")
        assert _texts(tmp_path / "out") in (OLD, NEW)
        assert [p.name for p in tmp_path.iterdir()] == ["out"]
    assert absent, "no kill came between the two renames"
    assert _texts(tmp_path / "out") == NEW


def test_a_rename_that_fails_leaves_the_old_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(atomic_folders, "_exchange", lambda *_: False)
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


def test_what_a_killed_write_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    for name in (".a.x.tmp", ".a.y.old", ".ab.x.tmp", "a", ".a.lock"):
        (tmp_path / name).touch()
    remove_leftovers(tmp_path / "a")
    assert {p.name for p in tmp_path.iterdir()} == {".ab.x.tmp", "a", ".a.lock"}
