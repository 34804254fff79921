"""The shell completes commands and options once it has been told to."""

import os
import subprocess
from pathlib import Path

COMPLETE = """
source "$HOME/.bashrc"
COMP_WORDS=(hflow {words}) COMP_CWORD={place}
_hflow_completion hflow
echo "${{COMPREPLY[@]}}"
"""


def _bash(home: Path, script: str) -> str:
    done = subprocess.run(
        ["bash", "-c", script], env=os.environ | {"HOME": str(home)}, capture_output=True, text=True, check=True
    )
    return done.stdout


def test_bash_completes_commands_and_options_once_it_is_told_to(tmp_path: Path) -> None:
    _bash(tmp_path, "hflow --install-completion; true")  # of the shell that it is called from
    assert _bash(tmp_path, COMPLETE.format(words="stat", place=1)).split() == ["status"]
    assert _bash(tmp_path, COMPLETE.format(words="clean --ke", place=2)).split() == ["--keep"]
