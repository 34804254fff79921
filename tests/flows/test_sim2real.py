"""What a run could not hand on, the next one does."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from prefect.states import Completed

from flows import sim2real as module
from flows.sim2real import reproduce, sim2real
from flows.stage import STOPPED
from hflow.foundation.errors import HflowError
from hflow.foundation.finished_work import WorkFolder
from hflow.foundation.params import Params, TranslateParams
from hflow.pipeline.outputs import work_folder
from hflow.pipeline.run_notes import noted_run


class Project:
    """A project of which only what the flow decides is real."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch):
        self.why: dict[str, list[str]] = {"train": ["changed deps: loss"]}
        self.remote_is_away = False
        self.done: list[str] = []
        settings = SimpleNamespace(translate=SimpleNamespace(model="models/hflow"))
        stand_ins: dict[str, Any] = {
            "load_params": lambda: settings,
            "for_children": dict,
            "has_remote": lambda: True,
            "fetch": lambda: None,
            "changes": lambda: self.why,
            "reproduce": SimpleNamespace(with_options=lambda **_: self._reproduce),
            "hand_on": self._hand_on,
            "_released": lambda _: {},
            "publish": lambda _, why, __: self.done.append(f"publish {', '.join(why)}"),
        }
        for name, value in stand_ins.items():
            monkeypatch.setattr(module, name, value)

    def run(self, *, push: bool = True, release: bool = False) -> Any:
        """The flow's own code; gives the state that it ends in, or what it returns."""
        self.done.clear()
        return sim2real.fn(push=push, release=release)

    def _reproduce(self, *_: object, **__: object) -> Any:
        self.done.append("reproduce")
        self.why = {}
        return Completed()

    def _hand_on(self, _: object) -> None:
        if self.remote_is_away:
            raise HflowError("the results can't be pushed")
        self.done.append("push")


@pytest.mark.parametrize("outcome", ["is the champion now", "is the champion already"])
def test_a_run_that_is_killed_before_it_told_of_a_champion_is_made_up_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, outcome: str
) -> None:
    monkeypatch.chdir(tmp_path)
    module.UNRELEASED.parent.mkdir()
    module.UNRELEASED.touch()
    told: list[object] = []

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    settings = Params.model_construct(translate=TranslateParams())
    monkeypatch.setattr(
        "hflow.pipeline.release.release", lambda _: {"model": "town", "version": "1", "outcome": outcome}
    )
    monkeypatch.setattr("flows.champion.emit_event", killed)
    with pytest.raises(KeyboardInterrupt):
        module._released(settings)
    monkeypatch.setattr("flows.champion.emit_event", lambda *_, **named: told.append(named["payload"]))
    outcome = "is the champion already"
    for _ in range(2):
        module._released(settings)
    assert told == [{"model": "town", "version": "1"}]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.chdir(tmp_path)
    return Project(monkeypatch)


def test_what_could_not_be_pushed_is_pushed_by_the_next_run(project: Project) -> None:
    project.remote_is_away = True
    assert project.run().message == "the results can't be pushed"
    assert project.done == ["reproduce"]
    assert project.run().message == "the results can't be pushed"
    project.remote_is_away = False
    project.run()
    assert project.done == ["push", "publish push"]
    assert project.run().message == module.NOTHING


def test_ctrl_c_while_stages_run_is_a_cancelled_run_and_no_crash(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object, **__: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "dvc", stop)
    monkeypatch.setattr(project, "_reproduce", lambda *_, **__: reproduce.fn({}, pull_first=False))
    state = project.run()
    assert state.is_cancelled()
    assert state.message == STOPPED


def test_what_a_run_was_not_to_push_is_pushed_by_one_that_is(project: Project) -> None:
    project.run(push=False)
    assert project.done == ["reproduce", "publish train"]
    assert project.run(push=False).message == module.NOTHING
    project.run()
    assert project.done == ["push", "publish push"]


def test_after_a_release_work_that_no_run_of_late_has_used_is_removed(project: Project) -> None:
    for piece in ("before", "now"):
        with noted_run("translate", "translate"):
            WorkFolder(work_folder("translate")).obtain(piece, lambda path: {"bytes": path.write_bytes(b"shard")})
    project.run()
    assert (work_folder("translate") / "before").exists()
    project.why = {"train": ["changed deps: loss"]}
    project.run(release=True)
    assert {path.name for path in work_folder("translate").iterdir()} == {"now", "now.json"}
