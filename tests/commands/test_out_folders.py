"""A command that replaces a folder replaces what it wrote there itself, and nothing else."""

import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hflow.commands.cli import app
from hflow.foundation.errors import HflowError

ROOT = Path(__file__).parents[2]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project under Git, with verdicts and a judge among what no stage can make again."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "params.yaml", tmp_path)
    for name in (".git/HEAD", "given/verdicts.csv", "given/judge.json", "given/images.json", "data/train/a.png"):
        place = tmp_path / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text("by hand")
    return tmp_path


@pytest.mark.parametrize("command", ["judge", "label"])
@pytest.mark.parametrize("out", [".", "given", "data"])
def test_a_folder_that_holds_something_else_is_refused_and_stays(project: Path, command: str, out: str) -> None:
    before = sorted(project.rglob("*"))
    done = CliRunner().invoke(app, [command, out])
    assert isinstance(done.exception, HflowError)
    assert str(done.exception) == f"{out} holds something else already: name a folder that is not there yet"
    assert sorted(project.rglob("*")) == before


@pytest.mark.parametrize("command", ["judge", "label"])
def test_a_file_in_the_folders_place_is_refused(project: Path, command: str) -> None:
    done = CliRunner().invoke(app, [command, "params.yaml"])
    assert str(done.exception) == "params.yaml is a file: name a folder"
    assert (project / "params.yaml").is_file()
