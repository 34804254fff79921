"""The flow experiment, on a DVC project whose stages do no more than say that they ran."""

import importlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from flows.experiment import experiment
from hflow.presets import preset_text

pytestmark = pytest.mark.end_to_end


class Project:
    """A worker's clone, the repository that it is of, and the stages that have run, by name."""

    def __init__(self, folder: Path):
        self.clone, self.repository, self._ran = folder / "clone", folder / "repository", folder / "ran"
        self.clone.mkdir()
        stages = {
            name: {"cmd": f"echo {name} >> {self._ran}; echo > {name}.txt", "deps": deps, "outs": [f"{name}.txt"]}
            for name, deps in (("train", []), ("evaluate", ["train.txt"]))
        }
        stages["train"] |= {"params": ["loss.k"]}
        (self.clone / "params.yaml").write_text(preset_text("town"))
        (self.clone / "dvc.yaml").write_text(yaml.safe_dump({"stages": stages}))
        (self.clone / ".gitignore").write_text("*.txt\n")
        self._git("init", "--quiet", "--initial-branch", "main")
        subprocess.run([sys.executable, "-m", "dvc", "init", "--quiet"], cwd=self.clone, check=True)
        self._git("add", "--all")
        self._git("-c", "user.name=t", "-c", "user.email=t@t", "commit", "--quiet", "--message", "t")
        self._git("remote", "add", "origin", str(self.repository))

    @property
    def ran(self) -> list[str]:
        return self._ran.read_text().split()

    @property
    def handed_over(self) -> list[str]:
        done = subprocess.run(
            ["git", "for-each-ref", "--format=%(refname:lstrip=4)", "refs/exps"],
            cwd=self.repository,
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.split()

    def make_repository(self) -> None:
        self._git("init", "--quiet", "--bare", str(self.repository))

    def _git(self, *arguments: str) -> None:
        subprocess.run(["git", *arguments], cwd=self.clone, check=True)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    project = Project(tmp_path)
    monkeypatch.chdir(project.clone)
    monkeypatch.setattr(importlib.import_module("flows.experiment"), "for_children", dict)
    for who in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{who}_NAME", "t")
        monkeypatch.setenv(f"GIT_{who}_EMAIL", "t@t")
    return project


def _run(name: str, **settings: Any) -> str:
    """What the flow gives, or says where it fails."""
    ended = experiment.fn(name, **settings)
    return ended if isinstance(ended, str) else str(ended.message)


def test_an_experiment_that_could_not_be_handed_over_is_handed_over_by_the_next_run_which_trains_nothing(
    project: Project,
) -> None:
    assert "k07 is done, but can't be handed to the repository" in _run("k07", k=0.7)
    project.make_repository()
    assert _run("k07", k=0.7) == "k07"
    assert project.handed_over == ["k07"]
    assert project.ran == ["train", "evaluate"]
    assert _run("k07", k=0.8) == "there is an experiment k07 with other settings: give this one another name"


def test_an_experiment_that_has_only_trained_is_translated_and_scored_when_asked_for_again(project: Project) -> None:
    project.make_repository()
    assert _run("k07", k=0.7, whole_pipeline=False) == "k07"
    assert _run("k07", k=0.7) == "k07"
    assert project.ran == ["train", "evaluate"]
    assert project.handed_over == ["k07"]
