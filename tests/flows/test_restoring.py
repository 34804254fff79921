"""A release brings results from the remote and runs no stage."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from flows.dvc_commands import changes
from flows.restoring import restore
from hflow.foundation.errors import HflowError

STAGES = """
stages:
  code:
    cmd: echo code >> ../ran; cat version > code
    deps: [version]
    outs: [code]
  train:
    cmd: echo train >> ../ran; cat in code > model
    deps: [in, code]
    outs: [model]
  evaluate:
    cmd: echo evaluate >> ../ran; cat model > figures
    deps: [model]
    outs: [figures]
"""


def _run(folder: Path, *command: str) -> None:
    subprocess.run(command, cwd=folder, check=True, capture_output=True)


def _dvc(folder: Path, *arguments: str) -> None:
    _run(folder, sys.executable, "-m", "dvc", *arguments)


@pytest.fixture(scope="module")
def remote(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a clone of a project that has run elsewhere, without what it made and without dvc.lock, and its
    remote."""
    folder = tmp_path_factory.mktemp("remote")
    project = folder / "project"
    project.mkdir()
    _run(project, "git", "init", "-q")
    _dvc(project, "init", "-q")
    _dvc(project, "remote", "add", "-q", "--default", "store", str(folder / "store"))
    (project / "dvc.yaml").write_text(STAGES)
    for name in ("in", "version"):
        (project / name).write_text(f"{name}\n")
    (project / ".gitignore").write_text("/code\n/model\n/figures\n")
    _run(project, "git", "add", "-A")
    _run(project, "git", "-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", "t")
    _dvc(project, "repro", "-q")
    _dvc(project, "push", "-q", "--run-cache")
    _run(folder, "git", "clone", "-q", "project", "clone")
    (folder / "ran").unlink()
    return folder


@pytest.fixture
def clone(remote: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The clone, current, with a remote of its own."""
    for name in ("clone", "store"):
        shutil.copytree(remote / name, tmp_path / name, symlinks=True)
    monkeypatch.chdir(tmp_path / "clone")
    config = Path(".dvc/config")
    config.write_text(config.read_text().replace(str(remote), str(tmp_path)))
    return tmp_path / "clone"


def test_results_come_from_the_remote_and_no_stage_runs(clone: Path) -> None:
    assert set(changes()) == {"code", "train", "evaluate"}
    restore("evaluate")
    assert (clone / "figures").read_text() == "in\nversion\n"
    assert changes() == {}
    assert not (clone.parent / "ran").exists()


def test_what_no_run_has_made_is_named_and_what_is_here_stays(clone: Path) -> None:
    restore("evaluate")
    (clone / "in").write_text("another\n")
    with pytest.raises(HflowError, match="the results of train are not here, and the DVC remote has none"):
        restore("evaluate")
    assert (clone / "model").read_text() == "in\nversion\n"
    assert not (clone.parent / "ran").exists()


def test_only_the_notes_of_the_code_are_taken_anew(clone: Path) -> None:
    (clone / "version").write_text("another\n")
    with pytest.raises(HflowError, match="the results of train are not here"):
        restore("evaluate")
    assert (clone.parent / "ran").read_text() == "code\n"


def test_a_remote_that_is_away_is_one_line(clone: Path) -> None:
    (clone.parent / "store").rename(clone.parent / "elsewhere")
    with pytest.raises(HflowError, match="the results of train are not here") as raised:
        restore("evaluate")
    assert len(str(raised.value).splitlines()) == 1
