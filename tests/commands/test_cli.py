"""The command: a fault is one line that says what to do, never a traceback."""

import io
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from contextlib import chdir, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import pytest
import typer
from safetensors.torch import save_file
from torchvision.models.segmentation import lraspp_mobilenet_v3_large
from typer.models import CommandInfo

from hflow import __version__
from hflow.commands import cli
from hflow.commands.cli import main
from hflow.presets import preset_names
from tests.models import write_model
from tests.pictures import write_cityscapes, write_gta
from tests.unprivileged import unprivileged

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Done:
    """A command that has ended."""

    returncode: int
    stdout: str
    stderr: str


def _hflow(folder: Path, *arguments: str) -> Done:
    """Run the command in this process, which has imported already what it needs."""
    out, err, words, handler = io.StringIO(), io.StringIO(), sys.argv, signal.getsignal(signal.SIGTERM)
    sys.argv = ["hflow", *arguments]
    try:
        with chdir(folder), redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as ended:
            main()
    finally:
        sys.argv = words
        signal.signal(signal.SIGTERM, handler)
    return Done(int(ended.value.code or 0), out.getvalue(), err.getvalue())


def _process(folder: Path, *arguments: str, root: bool = True, **environment: str) -> Done:
    """Run the command as a user does; with `root` false, as one who must heed permissions."""
    command = [sys.executable, "-m", "hflow", *arguments]
    done = subprocess.run(
        command if root else unprivileged(command),
        cwd=folder,
        env=os.environ | environment,
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )
    return Done(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    write_gta(tmp_path / "data/town/gta5", 4)
    write_cityscapes(tmp_path / "data/town/cityscapes", [("train", 4)])
    shutil.copy(ROOT / "params.yaml", tmp_path)
    return tmp_path


@pytest.mark.parametrize("command", cli.app.registered_commands, ids=lambda command: command.callback.__name__)
def test_help_says_what_is_written_and_gives_an_example_that_can_be_typed(command: CommandInfo) -> None:
    assert command.callback is not None
    _, _, more = str(command.callback.__doc__).partition("\n\n")
    assert re.match(r"\s*(Writes|Prints) ", more)
    (example,) = re.findall(r"Example: `hflow (.+?)`", more)
    name, *arguments = shlex.split(example)
    group = typer.main.get_command(cli.app)
    assert isinstance(group, typer.main.TyperGroup)
    group.commands[name].make_context(name, arguments)
    assert name == command.callback.__name__.replace("_", "-")


def _fault(done: Done) -> str:
    lines = done.stderr.strip().splitlines()
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert lines[-1].startswith("hflow: ")
    return lines[-1]


def test_help_names_every_stage(tmp_path: Path) -> None:
    done = _process(tmp_path, "--help")
    assert done.returncode == 0
    assert all(stage in done.stdout for stage in ("init", "prepare", "train", "translate", "segment", "evaluate"))


def test_a_stage_runs_as_a_plain_command(project: Path) -> None:
    done = _hflow(project, "prepare")
    assert done.returncode == 0, done.stderr
    assert list((project / "data/prepared/source/train").glob("shard-*.parquet"))


def test_an_unknown_parameter_is_named(project: Path) -> None:
    params = project / "params.yaml"
    params.write_text(params.read_text().replace("lambda_style", "lamda_style"))
    assert "loss.lamda_style" in _fault(_hflow(project, "prepare"))


def test_a_missing_root_is_named(project: Path) -> None:
    shutil.rmtree(project / "data/town/gta5")
    assert "data/town/gta5 is missing" in _fault(_process(project, "prepare"))


def test_check_finds_a_wrong_layout_before_anything_runs(project: Path) -> None:
    params = project / "params.yaml"
    params.write_text(params.read_text().replace("layout: gta}", "layout: cityscapes}"))
    assert "looks like the layout 'gta'" in _fault(_hflow(project, "check"))


def test_check_lets_the_town_be_drawn_later(project: Path) -> None:
    shutil.rmtree(project / "data/town")
    assert _hflow(project, "check").returncode == 0


def test_check_says_what_there_is_when_nothing_is_at_fault(project: Path) -> None:
    params = project / "params.yaml"
    params.write_text(params.read_text().replace("train_on: [source, translated, reinhard, target]", "train_on: []"))
    done = _hflow(project, "check")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "source: data/town/gta5, 4 of train",
        "target: data/town/cityscapes, 4 of train",
        "params.yaml: no fault found",
    ]


def test_check_finds_what_a_later_stage_would_refuse(project: Path) -> None:
    assert "no labelled validation set" in _fault(_hflow(project, "check"))


@pytest.mark.parametrize("layout", ["gta", "cityscapes", "folder"])
def test_check_of_a_folder_speaks_of_that_folder_alone(tmp_path: Path, layout: str) -> None:
    for folder in ("nowhere", "."):
        fault = _fault(_hflow(tmp_path, "check", folder, "--layout", layout))
        assert "params.yaml" not in fault
        assert "data.*" not in fault


def test_check_looks_at_any_folder_and_names_its_faults(project: Path) -> None:
    done = _hflow(project, "check", "data/town/gta5", "--layout", "gta")
    assert done.returncode == 0, done.stderr
    assert "train: 4 images (the official dataset has 24,966), 4 with label" in done.stdout
    (project / "data/town/gta5/labels/00002.png").unlink()
    done = _hflow(project, "check", "data/town/gta5", "--layout", "gta")
    assert "fault: 1 x label missing: images/00002.png" in done.stdout
    assert "1 samples" in _fault(done)


@pytest.mark.parametrize("command", ["init gta2cityscapes", "prepare", "translate data/town/gta5/images out"])
def test_in_a_project_that_cannot_be_written_a_command_ends_in_one_line(project: Path, command: str) -> None:
    write_model(project / "models/hflow")
    folders = [project, *(path for path in project.rglob("*") if path.is_dir())]
    for folder in folders:
        folder.chmod(0o555)
    try:
        assert "can't be written: Permission denied" in _fault(_process(project, *command.split(), root=False))
    finally:
        for folder in folders:
            folder.chmod(0o755)


def test_in_a_locale_of_ascii_names_are_utf8_all_the_same(project: Path, tmp_path: Path) -> None:
    place = project.rename(tmp_path.parent / f"{tmp_path.name}-größer")
    ascii_alone = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    done = _process(place, "prepare", **ascii_alone)
    assert done.returncode == 0, done.stderr
    assert "hflow: größer is missing" in _process(place, "check", "größer", **ascii_alone).stderr


def test_training_before_preparing_says_what_to_run(project: Path) -> None:
    assert "hflow prepare" in _fault(_hflow(project, "train"))


def test_translating_with_a_model_that_is_not_there_names_it(project: Path) -> None:
    fault = _fault(_hflow(project, "translate", "data/town/gta5/images", "out", "--model", "models/none"))
    assert "models/none" in fault
    assert not (project / "out").exists()


def test_the_version_is_said(tmp_path: Path) -> None:
    assert _hflow(tmp_path, "--version").stdout == f"hflow {__version__}\n"


@pytest.mark.parametrize("command", ["translate", "evaluate"])
def test_an_option_that_would_change_nothing_is_refused(tmp_path: Path, command: str) -> None:
    done = _hflow(tmp_path, command, "--model", "models/hflow", "--device=cpu")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("hflow: --model, --device do nothing for the ")
    (tmp_path / "drive.mp4").touch()
    done = _hflow(tmp_path, "translate", "drive.mp4", "out.mp4", "--seed", "1", "--suffix", "_real")
    assert command == "evaluate" or "--suffix does nothing for drive.mp4" in done.stderr, done.stderr


def test_datasets_are_compared_in_one_table(project: Path) -> None:
    params = project / "params.yaml"
    params.write_text(params.read_text().replace("size: [128, 64]           # what", "size: [48, 24]           # what"))
    assert _hflow(project, "prepare").returncode == 0
    raw = ("raw=data/prepared/source", "theirs=data/town/gta5")
    done = _hflow(project, "evaluate", *raw, "--features", "vgg16", "--no-segment", "--out", "table.json")
    assert done.returncode == 0, done.stderr
    assert "raw" in done.stdout
    assert "paper:" in done.stdout
    said = json.loads((project / "table.json").read_text())
    assert [row["pairs"] for row in said["datasets"]] == [4, 4]
    assert all(row["SSIM"] > 0.99 for row in said["datasets"])


def test_a_judge_of_other_classes_is_refused(project: Path) -> None:
    folder = project / "models/given/judge"
    folder.mkdir(parents=True)
    network = lraspp_mobilenet_v3_large(weights=None, weights_backbone=None, num_classes=2)
    save_file(network.state_dict(), folder / "judge.safetensors")
    config = {"network": "lraspp_mobilenet_v3_large", "classes": ["road", "sky"]}
    (folder / "judge.json").write_text(json.dumps(config))
    places = ("--source", "data/town/gta5", "--target", "data/town/gta5")
    done = _hflow(project, "evaluate", "raw=data/town/gta5", *places, "--features", "vgg16")
    assert "models/given/judge knows the classes road, sky, data.classes are road, sidewalk" in _fault(done)


def test_a_dataset_that_is_not_there_is_named_before_work_starts(project: Path) -> None:
    fault = _fault(_hflow(project, "evaluate", "mine=data/nowhere", "--features", "inception"))
    assert fault.startswith("hflow: data/nowhere is missing")


def test_a_training_set_that_is_not_there_is_named_without_pytorch(project: Path) -> None:
    done = _process(project, "segment", "dreams", PYTHONPROFILEIMPORTTIME="1")
    assert "'dreams' is not among segment.train_on" in _fault(done)
    assert "torch" not in {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}


def test_a_dataset_without_a_name_says_how_to_name_it(project: Path) -> None:
    assert "NAME=PATH" in _fault(_hflow(project, "evaluate", "data/translated"))


def test_an_unknown_preset_lists_those_there_are(tmp_path: Path) -> None:
    assert ", ".join(preset_names()) in _fault(_hflow(tmp_path, "init", "mars"))


def test_init_writes_a_params_yaml_that_runs(project: Path) -> None:
    write_cityscapes(project / "data/town/cityscapes", [("val", 2)])
    done = _hflow(project, "init", "gta2cityscapes", "--source", "data/town/gta5", "--target", "data/town/cityscapes")
    assert done.returncode == 0, done.stderr
    assert "params.yaml.bak" in done.stdout
    assert _hflow(project, "check").returncode == 0
    assert _hflow(project, "prepare").returncode == 0


def test_a_picture_of_another_kind_is_refused(project: Path) -> None:
    assert "neither a .png nor a .jpg" in _fault(_hflow(project, "picture", "out.gif"))


def test_a_defect_is_shown_without_credentials(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails() -> None:
        raise RuntimeError("no answer from https://somebody:sEcret99@host/x")

    monkeypatch.setattr(cli, "app", fails)
    monkeypatch.setattr(cli, "end_on_sigterm", lambda: None)
    with pytest.raises(SystemExit):
        cli.main()
    said = capsys.readouterr().err
    assert said.splitlines()[-1] == "RuntimeError: no answer from https://host/x"
    assert "sEcret99" not in said
