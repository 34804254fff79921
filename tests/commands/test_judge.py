"""A judge says what it learned from."""

from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from hflow.commands.cli import app
from hflow.presets import preset_text
from hflow.segmentation.judge import load_judge
from tests.conftest import CLASSES, Project


@pytest.mark.parametrize("on", ["both", "target"])
def test_a_judge_notes_the_domains_that_it_was_trained_on(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, on: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "data/prepared").symlink_to(project.prepared)
    values = yaml.safe_load(preset_text("town"))
    values["data"]["classes"] = CLASSES
    values["segment"]["workers"] = 0
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(values))
    done = CliRunner().invoke(app, ["judge", "judge", "--on", on, "--steps", "1", "--device", "cpu"])
    assert (done.exit_code, done.exception) == (0, None)
    assert load_judge(tmp_path / "judge").trained_on == on
