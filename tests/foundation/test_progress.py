"""Long work shows how far it is: a bar in a terminal, plain lines in a log."""

import os
import pty
import subprocess
import sys

import pytest

import hflow.foundation.progress
from hflow.foundation.progress import progress

WORK = """
import time
from hflow.foundation.progress import progress
with progress("translate", 4, unit="frames") as advance:
    for _ in range(3):
        time.sleep(0.3)
        advance(1, "loss 0.5")
"""


def test_a_log_gets_plain_lines_with_rate_time_left_and_note(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hflow.foundation.progress, "SECONDS_BETWEEN_LINES", 0.0)
    with progress("train", 5, done=1, unit="steps") as advance:
        advance(2, "loss 0.5")
        advance(2)
    first, second, last = capsys.readouterr().err.splitlines()
    assert first.startswith("train: 3/5 steps, ")
    assert " steps/s, " in first
    assert first.endswith(" s left, loss 0.5")
    assert second.startswith("train: 5/5 steps")
    assert last.startswith("train: 5/5 steps")
    assert "left" not in last


def test_no_work_leaves_no_line(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("train", 0):
        pass
    assert capsys.readouterr().err == ""


def test_work_faster_than_the_lines_leaves_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("prepare", 100) as advance:
        for _ in range(100):
            advance()
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_terminal_gets_a_bar_with_rate_time_left_and_note() -> None:
    terminal, end = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "120"}
    worker = subprocess.Popen([sys.executable, "-c", WORK], stderr=end, env=environment)
    os.close(end)
    shown = b""
    try:
        while part := os.read(terminal, 4096):
            shown += part
    except OSError:  # how a terminal says that its other end is closed
        pass
    os.close(terminal)
    assert worker.wait() == 0
    text = shown.decode()
    assert "\r" in text
    assert "━" in text
    assert "3/4" in text
    assert "frames/s" in text
    assert "0:00:0" in text
    assert "loss 0.5" in text
