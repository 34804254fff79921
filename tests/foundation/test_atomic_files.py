"""What carries its final name is whole."""

import os
from pathlib import Path

import pytest

from hflow.foundation.atomic_files import AtomicFiles, atomic_path
from hflow.foundation.atomic_folders import publish


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


@pytest.mark.parametrize("umask", [0o022, 0o002, 0o077])
def test_what_is_written_has_the_permissions_that_the_umask_leaves(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        with atomic_path(tmp_path / "file") as temporary:
            temporary.write_text("text")
        publish({"a": b"bytes", "b": tmp_path / "file"}, tmp_path / "folder")
    finally:
        os.umask(before)
    modes = {name: (tmp_path / name).stat().st_mode & 0o777 for name in ("file", "folder", "folder/a", "folder/b")}
    file = 0o666 & ~umask
    assert modes == {"file": file, "folder": 0o777 & ~umask, "folder/a": file, "folder/b": file}


def test_files_that_are_committed_together_have_no_name_before(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("old")
    files = AtomicFiles(tmp_path)
    files.add(tmp_path / "a", b"new")
    files.add(tmp_path / "b/c", b"new")
    assert (tmp_path / "a").read_text() == "old"
    assert not (tmp_path / "b/c").exists()
    files.commit()
    files.add(tmp_path / "d", b"dropped")
    files.discard()
    found = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert found == {"a", "b/c"}
    assert (tmp_path / "a").read_text() == "new"
