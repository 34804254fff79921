"""`make audit` tells a secret by its file, and advisories from no answer."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

MADE_UP = "AKIA" + "QYLPMN5HHHFPZAM2"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    shutil.copy(Path(__file__).parents[1] / "Makefile", tmp_path)
    (tmp_path / "requirements.txt").write_text("pip==26.3\n")
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    return tmp_path


def _audit(project: Path, answer: str) -> subprocess.CompletedProcess[str]:
    """`make audit` where this line of the shell stands for pip-audit."""
    (project / "bin").mkdir()
    (project / "bin/pip-audit").write_text(f"#!/bin/sh\n{answer}\n")
    (project / "bin/pip-audit").chmod(0o755)
    subprocess.run(["git", "add", "."], cwd=project, check=True)
    path = os.pathsep.join([str(project / "bin"), str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MAKE")} | {"PATH": path}
    command = ["make", "--old-file=.venv/.installed", "audit"]
    return subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)


def test_a_secret_is_named_by_its_file(project: Path) -> None:
    (project / "settings.py").write_text(f'key = "{MADE_UP}"\n')
    done = _audit(project, "echo asked")
    assert done.returncode
    assert "settings.py:1" in done.stdout
    assert "asked" not in done.stdout


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("echo not found >&2; exit 1", "nothing has been audited: no answer about every package"),
        ("echo pip 26.3 CVE-1; exit 1", "pip 26.3 CVE-1"),
    ],
)
def test_no_answer_and_an_advisory_are_told_apart(project: Path, answer: str, said: str) -> None:
    done = _audit(project, answer)
    assert done.returncode
    assert done.stdout.splitlines()[-1].startswith(said)


def test_no_secret_and_no_advisory_is_status_0(project: Path) -> None:
    done = _audit(project, "exit 0")
    assert done.returncode == 0, done.stdout + done.stderr
