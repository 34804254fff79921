"""hflow init without a preset: a terminal is asked, anything else gets a usage error."""

import os
import pty
import subprocess
import sys
from pathlib import Path

import yaml

from tests.pictures import write_cityscapes, write_gta

INIT = [sys.executable, "-m", "hflow", "init"]


def _typed(folder: Path, lines: str) -> subprocess.CompletedProcess[str]:
    """Run the command with a terminal as its input, into which the lines are typed."""
    ours, theirs = pty.openpty()
    os.write(ours, lines.encode())
    try:
        return subprocess.run(INIT, cwd=folder, stdin=theirs, capture_output=True, text=True, timeout=120, check=False)
    finally:
        os.close(ours)
        os.close(theirs)


def test_a_terminal_is_asked_until_the_answers_are_there_and_they_are_checked(tmp_path: Path) -> None:
    write_gta(tmp_path / "frames", 4)
    write_cityscapes(tmp_path / "camera", [("train", 4), ("val", 2)])
    done = _typed(tmp_path, "nonsense\ngta2cityscapes\nnowhere\nframes\ncamera\n")
    assert "nowhere is not a folder" in done.stdout
    data = yaml.safe_load((tmp_path / "params.yaml").read_text())["data"]
    assert [data[name]["root"] for name in ("source", "target")] == ["frames", "camera"]
    assert (done.returncode, "no fault found" in done.stdout) == (0, True), done.stderr


def test_what_is_no_terminal_is_told_to_name_a_preset(tmp_path: Path) -> None:
    done = subprocess.run(INIT, cwd=tmp_path, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert (done.returncode, "PRESET" in done.stderr, list(tmp_path.iterdir())) == (2, True, [])
