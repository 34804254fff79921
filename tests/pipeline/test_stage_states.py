"""What of a pipeline is there and what would run, asked of the real DVC."""

import subprocess
from pathlib import Path

import pytest

from hflow.commands.status import status
from hflow.foundation.errors import HflowError
from hflow.pipeline.stage_states import StageState, _behind, _noted, stage_states
from hflow.presets import preset_text

ROOT = """
stages:
  prepare:
    cmd: mkdir -p prepared && cp raw/town/f prepared/f
    deps: [raw/town]
    params: [size]
    outs: [prepared]
  train:
    cmd: cat prepared/f > model
    deps: [prepared/f]
    params: [steps]
    outs: [model]
  segment:
    matrix: {set: [source, target]}
    cmd: cat model > ${item.set}
    deps: [model]
    outs: ["${item.set}"]
"""
RAW = """
stages:
  town:
    cmd: mkdir -p town && echo 12345 > town/f
    outs: [town]
"""
NAMES = ["raw/dvc.yaml:town", "prepare", "train", "segment@source", "segment@target"]


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("project")
    (folder / "raw").mkdir()
    (folder / "raw/dvc.yaml").write_text(RAW)
    (folder / "dvc.yaml").write_text(ROOT)
    (folder / "params.yaml").write_text("{size: 1, steps: 1}\n")
    for command in (("git", "init", "-q"), ("dvc", "init", "-q"), ("dvc", "repro", "-q")):
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return folder


def _by_name(folder: Path) -> dict[str, StageState]:
    return {state.name: state for state in stage_states(folder)}


def test_after_a_run_everything_is_fresh_with_its_size_and_age(ran: Path) -> None:
    states = stage_states(ran)
    assert [state.name for state in states] == NAMES
    assert {state.state for state in states} == {"fresh"}
    assert {state.size for state in states} == {6}
    assert all(state.made == pytest.approx((ran / "model").stat().st_mtime, abs=60) for state in states)


def test_a_changed_parameter_makes_its_stage_stale_and_the_rest_follow(ran: Path) -> None:
    (ran / "params.yaml").write_text("{size: 1, steps: 2}\n")
    states = _by_name(ran)
    (ran / "params.yaml").write_text("{size: 1, steps: 1}\n")
    assert [states[name].state for name in NAMES] == ["fresh", "fresh", "stale", "follows", "follows"]
    assert states["train"].why == "steps modified"
    assert states["segment@target"].why == "train"


def test_a_deleted_output_and_a_stage_that_never_ran_are_told_apart(ran: Path) -> None:
    (ran / "target").rename(ran / "elsewhere")
    (ran / "dvc.yaml").write_text(ROOT.replace("[source, target]", "[source, target, both]"))
    states = _by_name(ran)
    (ran / "elsewhere").rename(ran / "target")
    (ran / "dvc.yaml").write_text(ROOT)
    assert (states["segment@target"].state, states["segment@target"].why) == ("stale", "target deleted")
    assert states["segment@target"].made is None
    assert states["segment@both"] == StageState("segment@both", "missing", "", None, 0)


def test_stages_that_the_report_does_not_need_are_left_out(ran: Path) -> None:
    report = "  evaluate:\n    cmd: cp prepared/f report\n    deps: [prepared/f]\n    outs: [report]\n"
    (ran / "dvc.yaml").write_text(ROOT + report)
    states = stage_states(ran)
    (ran / "dvc.yaml").write_text(ROOT)
    assert [state.name for state in states] == ["raw/dvc.yaml:town", "prepare", "evaluate"]


def test_a_stage_that_runs_in_another_folder_than_its_own_has_its_age_and_followers(ran: Path, tmp_path: Path) -> None:
    for name in ("raw/dvc", "dvc"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        for ending in (".yaml", ".lock"):
            content = (ran / name).with_suffix(ending).read_text()
            if name == "raw/dvc":
                content = content.replace("  town:\n", "  town:\n    wdir: ..\n") if ending == ".yaml" else content
                content = content.replace("path: town", "path: raw/town")
            (tmp_path / name).with_suffix(ending).write_text(content)
    noted = dict(_noted(tmp_path))
    assert [out["path"] for out in noted["raw/dvc.yaml:town"]["outs"]] == ["raw/town"]
    assert _behind(noted["prepare"]["deps"], {"raw/dvc.yaml:town": ""}, noted) == "raw/dvc.yaml:town"


def test_a_folder_that_is_no_project_says_so(tmp_path: Path) -> None:
    with pytest.raises(HflowError, match=r"dvc stage: .*not inside of a DVC repository"):
        stage_states(tmp_path)


def test_what_only_plain_commands_made_is_said_to_be_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text(preset_text("town"))
    Path("dvc.yaml").write_text(RAW)
    Path("town").mkdir()
    for command in (("git", "init", "-q"), ("dvc", "init", "-q")):
        subprocess.run(command, check=True, capture_output=True)
    status(Path("params.yaml"))
    assert capsys.readouterr().out.splitlines() == [
        "town  missing",
        "1 of 1 stages would run",
        "missing: not run by `make repro` or DVC, which make again what plain commands made",
    ]
