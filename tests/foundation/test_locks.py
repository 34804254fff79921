"""One process at a time writes, and a dead one holds nobody up."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from hflow.foundation.errors import HflowError
from hflow.foundation.locks import exclusive, is_held


def test_one_process_at_a_time_writes_and_leaves_no_lock(tmp_path: Path) -> None:
    with exclusive(tmp_path / "out"):
        with pytest.raises(HflowError, match="out is being written by process"), exclusive(tmp_path / "out"):
            pass
        with exclusive(tmp_path / "other"):
            pass
    with exclusive(tmp_path / "out"):
        pass
    assert not list(tmp_path.iterdir())


def test_the_folder_that_one_is_in_is_locked_under_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "out").mkdir()
    monkeypatch.chdir(tmp_path / "out")
    with exclusive(Path()):
        assert is_held(tmp_path / "out")
        with pytest.raises(HflowError, match="is being written by process"), exclusive(tmp_path / "out"):
            pass
    assert not is_held(Path())


HOLDER = """
import pathlib, sys, time
from hflow.foundation.locks import exclusive
with exclusive(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(100)
"""


def test_another_process_is_named_and_frees_the_lock_when_it_is_killed(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(out)], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        for _ in range(2):  # who is refused leaves the owner's name
            with pytest.raises(HflowError, match=f"written by process {holder.pid} on "), exclusive(out):
                pass
        os.kill(holder.pid, signal.SIGKILL)
    with exclusive(out):
        pass
    assert not list(tmp_path.iterdir())


def test_a_lock_whose_process_was_killed_holds_nobody_up(tmp_path: Path) -> None:
    (tmp_path / ".out.lock").write_text("process 1 on another")
    with exclusive(tmp_path / "out"):
        pass
