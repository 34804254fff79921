"""The way of a translation's parameters to the network, as it runs."""

import shutil
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
import yaml

from hflow.foundation.params import Params, TranslateParams
from hflow.model.strip_transfer import StripTransfer
from hflow.pipeline import stages
from hflow.presets import preset_text
from hflow.translation.plan import Plan
from hflow.translation.shard_task import Recipe, ShardTask
from tests.conftest import Project

CARRIERS = (Params, TranslateParams, Recipe, ShardTask, Plan)
"""The parameters, and what holds them."""


def _holds(frame: FrameType) -> bool:
    values = list(frame.f_locals.values())
    values += vars(frame.f_locals["self"]).values() if hasattr(frame.f_locals.get("self"), "__dict__") else ()
    held = [value for several in values if isinstance(several, tuple) for value in several]
    return any(isinstance(value, CARRIERS) for value in (*values, *held))


def _file(frame: FrameType | None) -> str:
    return frame.f_globals.get("__name__", "") if frame else ""


def _caller(frame: FrameType) -> str:
    """The file of hflow that a call comes from, by way of libraries or not; none in a thread of its own."""
    above = frame.f_back
    while above and not _file(above).startswith("hflow."):
        above = above.f_back
    return _file(above)


@pytest.fixture
def handed_on(
    project: Project, model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> list[tuple[str, str]]:
    """The calls between files in which the parameters go on, from the stage's until the network is called."""
    shutil.copytree(project.prepared, tmp_path / "data/prepared")
    shutil.copytree(project.sets, tmp_path / "data/sets")
    shutil.copytree(model_folder, tmp_path / "models/hflow")
    monkeypatch.chdir(tmp_path)
    values = yaml.safe_load(preset_text("town"))
    values["translate"] |= {"device": "cpu", "threads": 1, "workers": 1}
    found: list[tuple[str, str]] = []
    there = threading.Event()

    def note(frame: FrameType, event: str, _: Any) -> None:
        if event != "call" or there.is_set() or not _file(frame).startswith("hflow."):
            return
        if isinstance(frame.f_locals.get("self"), StripTransfer) and frame.f_code.co_name == "__call__":
            there.set()
        elif _holds(frame) and _caller(frame) != _file(frame):
            found.append((_caller(frame), _file(frame)))

    params = Params.model_validate(values)
    threading.setprofile(note)
    sys.setprofile(note)
    try:
        stages.translate(params)
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
    assert there.is_set()
    return found


def test_parameters_pass_ten_files_on_the_way_to_the_network_and_never_climb(handed_on: list[tuple[str, str]]) -> None:
    files = {called for _, called in handed_on}
    assert {"hflow.pipeline.stages", "hflow.translation.plan", "hflow.translation.shard_worker"} <= files
    assert len(files) <= 10, files
    above: dict[str, set[str]] = {}
    for caller, called in handed_on:
        above.setdefault(called, set()).update({caller} | above.get(caller, set()))
        assert called not in above[called], f"{caller} hands back to {called}"
