"""What a run starts ends with it, whatever ends it."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from flows.processes import run_command

CODE = """
from flows import processes
processes.SECONDS_TO_END = 2
processes.run_command(['sh', '-c', %r], {'HFLOW_TEST_MARK': %r})
"""


def _alive(mark: str) -> bool:
    """Whether a process with this mark in its environment is there."""
    for place in Path("/proc").glob("[0-9]*/environ"):
        try:
            if f"HFLOW_TEST_MARK={mark}".encode() in place.read_bytes():
                return True
        except OSError:
            continue
    return False


def _until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.1)


@pytest.mark.parametrize("status", [0, 3])
def test_the_exit_status_is_the_commands(status: int) -> None:
    assert run_command(["sh", "-c", f"exit {status}"]) == status


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
@pytest.mark.parametrize("command", ["sleep 300; true", "trap '' TERM; sleep 300; true"])
def test_the_commands_children_end_with_the_process_that_ran_it(number: int, command: str, tmp_path: Path) -> None:
    mark = str(tmp_path)
    # What a shell starts in the background ignores Ctrl-C, and so would all below it.
    process = subprocess.Popen(
        [sys.executable, "-c", CODE % (command, mark)],
        stderr=subprocess.DEVNULL,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    _until(lambda: _alive(mark))
    process.send_signal(number)
    process.wait(20)
    _until(lambda: not _alive(mark))
