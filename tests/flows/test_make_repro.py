"""`make repro` starts the flow where a stage has changed, or results are still to be pushed, and else says so."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

SAID = "nothing has changed since the last run"


@pytest.mark.parametrize(
    ("changed", "unpushed", "remote", "runs"),
    [
        (False, False, True, False),
        (True, False, True, True),
        (False, True, True, True),
        (False, True, False, False),  # nowhere to push to
    ],
)
def test_the_flow_is_started_where_there_is_something_to_do(
    tmp_path: Path, *, changed: bool, unpushed: bool, remote: bool, runs: bool
) -> None:
    shutil.copy(Path(__file__).parents[2] / "Makefile", tmp_path)
    place = tmp_path / "bin"
    place.mkdir()
    stands_for = {
        "hflow": "",
        "python": "echo flow",
        "dvc": f'if [ "$1" = status ]; then exit {int(changed)}; fi; {"echo store /srv/store" if remote else ""}',
    }
    for name, line in stands_for.items():
        (place / name).write_text(f"#!/bin/sh\n{line}\n")
        (place / name).chmod(0o755)
    if unpushed:
        (tmp_path / ".hflow").mkdir()
        (tmp_path / ".hflow/unpushed").touch()
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MAKE")}
    environment["PATH"] = f"{place}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["make", "--old-file=.venv/.installed", "repro"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert ("flow" in done.stdout, SAID in done.stdout) == (runs, not runs)
