"""A sweep is checked before anything runs; what is done already runs no more."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from hflow.foundation.errors import HflowError
from hflow.foundation.params import Params
from hflow.pipeline.sweeps import SWEEPS, run_sweep, sweep_settings
from hflow.presets import preset_text

TOWN = Params.model_validate(yaml.safe_load(preset_text("town")))


@pytest.mark.parametrize("name", SWEEPS)
def test_every_named_sweep_goes_with_the_default(name: str) -> None:
    settings = sweep_settings(name, TOWN)
    assert len(settings) == len({str(setting) for setting in settings}) > 1


def test_a_resolution_takes_the_crop_with_it() -> None:
    half = sweep_settings("resolution", TOWN)[0]
    assert half == {"prepare.size": [64, 32], "train.crop": [48, 32]}


def test_any_parameter_can_be_swept_with_values_as_yaml_has_them() -> None:
    assert sweep_settings("train.crop=[64,32],null", TOWN) == [{"train.crop": [64, 32]}, {"train.crop": None}]


def test_a_value_that_is_named_twice_is_one_experiment() -> None:
    assert sweep_settings("loss.k=0.7,0.9,0.7", TOWN) == [{"loss.k": 0.7}, {"loss.k": 0.9}]


@pytest.mark.parametrize(
    ("what", "fault"),
    [
        ("colour", "there is no sweep 'colour': name one of k, variant"),
        ("loss.k=", "there is no sweep"),
        ("loss.kay=1", "loss.kay is not a parameter"),
        ("loss.k=0.5,2", "loss.k=2: loss.k is 2"),
    ],
)
def test_what_cannot_be_swept_is_refused(what: str, fault: str) -> None:
    with pytest.raises(HflowError, match=fault):
        sweep_settings(what, TOWN)


def test_changes_that_are_not_committed_are_refused(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    (tmp_path / "params.yaml").write_text("")
    with pytest.raises(HflowError, match=r"changes in params\.yaml: commit them first"):
        run_sweep("k", sweep_settings("k", TOWN), tmp_path)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project of DVC whose last stage does no more than write a figure, and say that it ran."""
    command = "python -c \"import yaml, json; k = yaml.safe_load(open('params.yaml'))['loss']['k']; print('at', k)"
    command += "; json.dump({'mIoU/translated': k / 2}, open('metrics/summary.json', 'w'))\""
    stage = {"cmd": command, "params": ["loss.k"], "metrics": ["metrics/summary.json"]}
    for name, text in {
        "params.yaml": preset_text("town"),
        "dvc.yaml": yaml.safe_dump({"stages": {"evaluate": stage}}),
        "metrics/.gitignore": "",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    who = ("-c", "user.name=t", "-c", "user.email=t@t")
    for line in (
        ("git", "init", "-q"),
        (sys.executable, "-m", "dvc", "init", "-q"),
        ("git", "add", "-A"),
        ("git", *who, "commit", "-qm", "t"),
    ):
        subprocess.run(line, cwd=tmp_path, check=True)
    return tmp_path


def test_what_is_done_runs_no_more_and_all_figures_are_laid_side_by_side(project: Path) -> None:
    def sweep(values: str) -> str:
        command = [sys.executable, "-m", "hflow", *("sweep", "loss.k=" + values)]
        done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    assert "at 0.5" in sweep("0.5")
    said = sweep("0.5,0.8")
    assert "at 0.8" in said
    assert "at 0.5" not in said
    lines = (project / "sweeps/loss.k/results.csv").read_text().splitlines()
    assert [line.split(",")[1:] for line in lines[1:]] == [["0.5", "0.25"], ["0.8", "0.4"]]
    assert "highest at 0.8" in (project / "sweeps/loss.k/index.html").read_text()
