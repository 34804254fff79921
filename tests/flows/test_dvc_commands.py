"""What has changed is told by stage, with its reason."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from flows.dvc_commands import changes, dvc, has_remote
from hflow.foundation.errors import HflowError

ROOT = Path(__file__).parents[2]

STAGES = """
stages:
  first:
    cmd: cat in > between
    deps: [in]
    outs: [between]
  evaluate:
    cmd: cat between > out
    deps: [between]
    params: [loss.k]
    outs: [out]
"""


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bare")
    for command in (["git", "init", "-q"], [sys.executable, "-m", "dvc", "init", "-q"]):
        subprocess.run(command, cwd=folder, check=True)
    (folder / "dvc.yaml").write_text(STAGES)
    (folder / "params.yaml").write_text("loss: {k: 0.8}\n")
    (folder / "in").write_text("1")
    return folder


@pytest.fixture
def project(bare: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of its own that has not run, current."""
    folder = shutil.copytree(bare, tmp_path / "project")
    monkeypatch.chdir(folder)
    return folder


def test_changes_are_named_and_none_are_none(project: Path) -> None:
    said = changes()
    assert said == {"first": ["it has not run here"], "evaluate": ["it has not run here"]}
    assert list(said) == ["first", "evaluate"]
    assert dvc("repro", "--quiet") == 0
    assert changes() == {}
    (project / "params.yaml").write_text("loss: {k: 0.7}\n")
    assert changes() == {"evaluate": ["changed deps: loss.k"]}
    (project / "in").write_text("2")
    assert changes("first") == {"first": ["changed deps: in"]}


def test_a_stage_whose_run_was_stopped_has_run_here(project: Path) -> None:
    assert dvc("repro", "--quiet") == 0
    (project / "params.yaml").write_text("loss: {k: 0.7}\n")
    (project / "out").unlink()  # DVC removes what a stage makes before it runs again.
    assert changes()["evaluate"] == ["changed deps: loss.k", "changed outs: out"]


def test_a_remote_is_seen(project: Path) -> None:
    assert not has_remote()
    dvc("remote", "add", "--quiet", "store", str(project / "store"))
    assert has_remote()


@pytest.mark.usefixtures("project")
def test_a_remote_whose_url_holds_a_password_is_refused_without_saying_it() -> None:
    dvc("remote", "add", "--quiet", "store", "https://somebody:sEcret99@host/store")
    with pytest.raises(HflowError, match=r"DVC remote store holds credentials.*--local store user") as raised:
        has_remote()
    assert "sEcret99" not in str(raised.value)


def test_what_has_changed_is_told_by_name_whatever_order_dvc_has(monkeypatch: pytest.MonkeyPatch) -> None:
    said = '{"train": [{"changed deps": {"params.yaml": {"train.steps": "modified", "loss.k": "modified"}}}]}'
    monkeypatch.setattr("flows.dvc_commands._output", lambda *_: said)
    assert changes() == {"train": ["changed deps: loss.k, train.steps"]}
    names = ("segment@translated", "train", "evaluate", "data/dvc.yaml:town", "segment@source", "code")
    every = json.dumps({name: [{"changed deps": {"in": "modified"}}] for name in names})
    monkeypatch.setattr("flows.dvc_commands._output", lambda *_: every)
    monkeypatch.chdir(ROOT)
    ordered = ["data/dvc.yaml:town", "code", "train", "segment@source", "segment@translated", "evaluate"]
    assert list(changes()) == ordered
