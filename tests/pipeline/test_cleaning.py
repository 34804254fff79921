"""`hflow clean` removes what no run of late has used, and nothing that a run needs."""

import multiprocessing
import os
import signal
from multiprocessing.connection import Connection
from pathlib import Path

import pytest
import yaml

from hflow.commands.clean import cleaning_in_words
from hflow.foundation.finished_work import WorkFolder
from hflow.foundation.locks import exclusive
from hflow.foundation.params import Params
from hflow.pipeline import outputs, stages
from hflow.pipeline.cleaning import clean
from hflow.pipeline.run_notes import noted_run
from tests.pictures import write_cityscapes, write_gta


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT", raising=False)


def _use(*names: str, stage: str = "translate") -> None:
    """Obtain pieces of ten bytes each, as a stage does."""
    for name in names:
        WorkFolder(outputs.work_folder(stage)).obtain(name, lambda path: {"bytes": path.write_bytes(bytes(10))})


def _run(*names: str, run: str = "translate", stage: str = "translate") -> None:
    with noted_run(run, stage):
        _use(*names, stage=stage)


def _stopped(name: str) -> None:
    with noted_run("translate", "translate"):
        _use(name)
        raise KeyboardInterrupt


def _there(stage: str = "translate") -> set[str]:
    return {path.name for path in outputs.work_folder(stage).iterdir()}


def _pieces(*names: str) -> set[str]:
    return {name + suffix for name in names for suffix in ("", ".json")}


def test_the_last_run_keeps_its_pieces_also_those_that_an_earlier_one_made() -> None:
    _run("a", "b")
    _run("b", "c")
    clean(remove=True)
    assert _there() == _pieces("b", "c")


def test_shards_made_shorter_by_verdicts_go_one_by_one() -> None:
    for name in ("a", "b"):
        with noted_run("translate", "translate"):
            _use(name, stage="translate/reviewed")
    clean(remove=True)
    assert _there("translate/reviewed") == _pieces("b")


def test_without_being_told_to_nothing_is_removed_and_it_says_the_same() -> None:
    _run("a")
    _run("b")
    would = clean()
    assert _there() == _pieces("a", "b")
    assert clean(remove=True) == would
    assert [[piece.name for piece in one.gone] for one in would] == [["a"]]


def test_of_several_runs_those_count_that_used_something_else() -> None:
    _run("a")
    _run("b")
    _run("c")
    _run("c")
    clean(2, remove=True)
    assert _there() == _pieces("b", "c")
    clean(remove=True)
    assert _there() == _pieces("c")


def test_each_training_set_keeps_its_own_run() -> None:
    _run("source", run="segment source", stage="segment")
    _run("old", run="segment translated", stage="segment")
    _run("new", run="segment translated", stage="segment")
    clean(remove=True)
    assert _there("segment") == _pieces("source", "new")


def test_what_was_stopped_keeps_its_pieces_until_a_later_run_has_finished() -> None:
    _run("a")
    with pytest.raises(KeyboardInterrupt):
        _stopped("b")
    clean(remove=True)
    assert _there() == _pieces("a", "b")
    _run("b", "c")
    clean(remove=True)
    assert _there() == _pieces("b", "c")


def test_where_no_run_is_noted_nothing_goes() -> None:
    _use("a")
    (one,) = clean(remove=True)
    assert (_there(), one.why) == (_pieces("a"), "no finished run is noted yet")


def test_bytes_that_are_published_too_are_not_counted_as_room() -> None:
    _run("a", "b")
    os.link(outputs.work_folder("translate") / "a", "published")
    _run("c")
    marker = (outputs.work_folder("translate") / "a.json").stat().st_size
    (one,) = clean()
    assert (one.freed, one.gone_bytes) == (10 + 2 * marker, 20 + 2 * marker)
    assert list(cleaning_in_words([one], removed=False))[-1].startswith("that frees 0.0 MB")


def test_half_written_pieces_and_models_of_earlier_runs_go() -> None:
    work = outputs.work_folder("translate")
    with noted_run("translate", "translate"):
        (work / "models/old").mkdir(parents=True)
        (work / "models/old/config.json").write_text("{}")
    with noted_run("translate", "translate"):
        (work / "models/new").mkdir()
    (work / ".x.0123abcd.tmp").write_text("half")
    (work / ".y.lock").write_text("process 1 on another")
    clean(remove=True)
    assert sorted(path.relative_to(work).as_posix() for path in work.rglob("*")) == ["models", "models/new"]


def test_a_first_round_that_is_not_wanted_any_more_leaves_nothing() -> None:
    with noted_run("first_round", "first_round", "translate"):
        _use("a")
        (outputs.work_folder("first_round") / "translated").mkdir(parents=True)
    clean(remove=True)
    assert (_there("first_round"), _there()) == ({"translated"}, _pieces("a"))
    values = yaml.safe_load((Path(__file__).parents[2] / "params.yaml").read_text())
    stages.first_round(Params.model_validate(values))
    clean(remove=True)
    assert (_there("first_round"), _there()) == (set(), set())


def test_what_is_no_finished_work_stays() -> None:
    _run("a")
    kept = [outputs.work_folder(name) for name in ("tracking", "prefect", "servers", "timings")]
    for folder in kept:
        folder.mkdir()
        (folder / "x").write_text("x")
    outputs.work_folder("unreleased").touch()
    clean(remove=True)
    assert all((folder / "x").exists() for folder in kept)
    assert outputs.work_folder("unreleased").exists()


def test_of_fetched_models_the_versions_asked_for_last_stay() -> None:
    for number, version in enumerate(["town/1", "town/2", "other/1"]):
        folder = outputs.work_folder("models") / version
        folder.mkdir(parents=True)
        os.utime(folder, (number, number))
    os.utime(outputs.work_folder("models") / "town/1")
    clean(remove=True)
    assert {path.as_posix() for path in Path().glob(".hflow/models/*/*")} == {
        ".hflow/models/town/1",
        ".hflow/models/other/1",
    }


def test_what_fiftyone_showed_goes_once_its_app_is_closed() -> None:
    shown = outputs.work_folder("view") / "dataset"
    (shown / "data").mkdir(parents=True)
    (shown / "data/frame.png").write_bytes(bytes(10))
    with exclusive(shown):
        (one,) = clean(remove=True)
        assert (one.why, (shown / "data/frame.png").exists()) == ("FiftyOne shows it", True)
    (one,) = clean(remove=True)
    assert (one.folder, one.freed, shown.exists()) == ("view", 10, False)


def _work(said: Connection) -> None:
    with noted_run("translate", "translate"):
        _use("b")
        said.send("working")
        signal.pause()


def test_a_stage_that_is_running_keeps_all_of_its_pieces() -> None:
    _run("a")
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(target=_work, args=(theirs,))
    process.start()
    try:
        assert ours.recv() == "working"
        _run("c")
        (one,) = clean(remove=True)
        assert (_there() >= _pieces("a", "b", "c"), one.why) == (True, "a run is working")
    finally:
        process.kill()
        process.join()
    clean(remove=True)
    assert _there() == _pieces("c")


def test_a_stage_run_again_after_a_cleaning_finds_its_work_done(tmp_path: Path) -> None:
    write_gta(tmp_path / "gta", 4)
    write_cityscapes(tmp_path / "cityscapes", [("train", 3), ("val", 2)])
    values = yaml.safe_load((Path(__file__).parents[2] / "params.yaml").read_text())
    values["data"]["source"]["root"], values["data"]["target"]["root"] = "gta", "cityscapes"
    values["data"]["classes"] = ["road", "sky", "car"]
    for size in ([32, 16], [48, 24]):
        values["prepare"]["size"] = size
        params = Params.model_validate(values)
        stages.prepare(params)
    published = [path.read_bytes() for path in sorted(outputs.PREPARED.rglob("shard-*"))]
    (one,) = clean(remove=True)
    assert 0 < one.freed == one.gone_bytes
    made = {path: path.stat().st_ino for path in outputs.work_folder("prepare").iterdir()}
    assert len(made) == 2 * len(published)
    stages.prepare(params)
    assert {path: path.stat().st_ino for path in outputs.work_folder("prepare").iterdir()} == made
    assert [path.read_bytes() for path in sorted(outputs.PREPARED.rglob("shard-*"))] == published
