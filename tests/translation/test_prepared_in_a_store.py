"""`hflow translate s3://.../source s3://...`: the shards that the stage writes, a few of them here at a time."""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from hflow.commands.cli import app
from hflow.datasets.verification import verify
from hflow.export.store_pushing import push_to_store
from hflow.export.writing import export
from hflow.foundation import stores
from hflow.foundation.errors import AwayError, HflowError, PassingError
from hflow.foundation.finished_work import Finished
from hflow.foundation.params import TranslateParams
from hflow.foundation.stores import Store
from hflow.model.store import TrainedModel, load_model
from hflow.translation import shard_worker
from hflow.translation.prepared_folder import translate_prepared
from hflow.translation.sent_shards import SentShards
from hflow.translation.shard_task import ShardTask
from hflow.translation.shard_worker import ShardWorker
from tests.conftest import Project
from tests.models import write_model
from tests.stores import S3, Line, disturbed
from tests.translations import bytes_of, translate

SOURCE, OUT = "s3://town/prepared/source", "s3://town/out"
OPTIONS = {"device": "cpu", "threads": 1, "batch_size": 2}
SHARDS = 4


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def staged(project: Project, model: TrainedModel, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What the stage makes of the prepared frames."""
    out = tmp_path_factory.mktemp("staged")
    translate(project, model, out, out / "sets")
    return bytes_of(out / "translated")


@pytest.fixture(scope="module")
def names(staged: dict[str, bytes]) -> list[str]:
    """Of the shards."""
    found = [name.removeprefix("train/") for name in staged if name.startswith("train/")]
    assert len(found) == SHARDS
    return sorted(found)


@pytest.fixture(autouse=True)
def line(s3: S3, project: Project, monkeypatch: pytest.MonkeyPatch) -> Iterator[Line]:
    """A line to the server, which has the prepared frames, and nothing else."""
    monkeypatch.setattr(stores, "FIRST_DELAY", 0.01)
    with disturbed(s3.url) as line:
        s3.use(monkeypatch, line.url)
        for old in s3.files.find("town"):
            s3.files.rm_file(old)
        push_to_store(project.prepared, Store("s3://town/prepared"))
        yield line


@pytest.fixture
def translated(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The shards that are translated from here on."""
    found: list[str] = []
    write = ShardWorker._write

    def noted(self: ShardWorker, task: ShardTask, *rest: object) -> object:
        found.append(task.path.name)
        return write(self, task, *rest)

    monkeypatch.setattr(ShardWorker, "_write", noted)
    return found


def _run(
    model: TrainedModel, work: Path, frames: str | Path = SOURCE, out: str | Path = OUT, **options: object
) -> dict[str, object]:
    given, target = (Store(place) if isinstance(place, str) else place for place in (frames, out))
    params = TranslateParams.model_validate({**OPTIONS, **options})
    return translate_prepared(given, target, model, params, work=work)


def test_a_store_gets_the_bytes_of_the_stage_and_few_shards_lie_here(
    s3: S3, staged: dict[str, bytes], model: TrainedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    most = 0
    write = ShardWorker._write

    def counted(self: ShardWorker, task: ShardTask, *rest: Any) -> Any:
        nonlocal most
        time.sleep(0.5)  # in which others are brought
        most = max(most, len(list(task.path.parents[1].rglob("shard-*.parquet"))))
        return write(self, task, *rest)

    monkeypatch.setattr(ShardWorker, "_write", counted)
    counts = _run(model, tmp_path)
    assert (counts["given"], counts["translated"], counts["rejected"]) == (12, 12, 0)
    assert s3.content("out") == staged
    assert most == 3 < SHARDS
    assert not list(tmp_path.iterdir()), "a store keeps its finished shards itself"


def test_what_reads_datasets_in_a_store_reads_it(model: TrainedModel, tmp_path: Path) -> None:
    _run(model, tmp_path)
    done = CliRunner().invoke(app, ["verify", OUT])
    assert done.exit_code == 0, done.output
    assert export(Store(OUT), tmp_path / "exported", layout="webdataset")["frames"] == 12


def test_a_run_that_is_killed_goes_on_behind_what_it_has_sent(
    s3: S3,
    line: Line,
    staged: dict[str, bytes],
    model_folder: Path,
    model: TrainedModel,
    tmp_path: Path,
    translated: list[str],
) -> None:
    line.delay = 0.05
    arguments = [SOURCE, OUT, "--model", str(model_folder), "--device", "cpu", "--batch-size", "2"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "hflow", "translate", *arguments]
    with subprocess.Popen(command, cwd=tmp_path, env=environment) as running:
        try:
            while len(_noted(s3)) < 2:
                assert running.poll() is None, "it ended before it was killed"
                time.sleep(0.02)
        finally:
            running.kill()
    line.delay = 0.0
    noted = _noted(s3)
    assert 2 <= len(noted) < SHARDS
    assert "manifest.parquet" not in s3.content("out")
    _run(model, tmp_path)
    assert len(translated) == len(set(translated)) == SHARDS - len(noted), "no finished shard again"
    assert s3.content("out") == staged
    translated.clear()
    assert _run(model, tmp_path)["translated"] == 12
    assert (translated, s3.content("out")) == ([], staged), "nothing is done twice"


def test_a_lost_connection_ends_the_run_at_once_and_the_next_one_goes_on(
    s3: S3,
    line: Line,
    staged: dict[str, bytes],
    names: list[str],
    model: TrainedModel,
    tmp_path: Path,
    translated: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    keep = SentShards.keep
    begun: list[str] = []

    def lost(self: SentShards, task: ShardTask, piece: Finished) -> Finished:
        begun.append(task.path.name)
        if len(begun) == 3:
            line.cut_up, line.cuts = 0, 10_000
        return keep(self, task, piece)

    with monkeypatch.context() as patched:
        patched.setattr(SentShards, "keep", lost)
        with pytest.raises(AwayError, match=r"s3://town/.*run the same command again, what was finished stays"):
            _run(model, tmp_path)
    line.cuts = 0
    there, noted = s3.content("out"), len(_noted(s3))
    assert "manifest.parquet" not in there
    assert all(staged[name] == content for name, content in there.items() if name in staged), "what is there is whole"
    translated.clear()
    _run(model, tmp_path)
    assert s3.content("out") == staged
    assert len(translated) == len(set(translated)) == SHARDS - noted
    assert set(translated) >= set(names) - set(begun)


def test_a_finished_shard_that_is_no_longer_as_it_was_is_translated_again(
    s3: S3,
    project: Project,
    staged: dict[str, bytes],
    names: list[str],
    model: TrainedModel,
    tmp_path: Path,
    translated: list[str],
) -> None:
    s3.files.pipe_file("town/prepared/rejected.parquet", b"damaged")
    with pytest.raises(HflowError, match=r"s3://town/prepared/rejected\.parquet is not a whole Parquet file"):
        _run(model, tmp_path)
    assert len(_noted(s3)) == SHARDS
    s3.files.put_file(str(project.prepared / "rejected.parquet"), "town/prepared/rejected.parquet")
    s3.files.pipe_file(f"town/out/train/{names[1]}", b"of another length")
    translated.clear()
    _run(model, tmp_path)
    assert translated == [names[1]]
    assert s3.content("out") == staged


def test_a_shard_that_is_damaged_in_the_store_is_named_and_the_others_are_translated(
    s3: S3,
    staged: dict[str, bytes],
    names: list[str],
    model: TrainedModel,
    model_folder: Path,
    tmp_path: Path,
    translated: list[str],
) -> None:
    place = f"town/prepared/source/train/{names[2]}"
    whole = s3.files.cat_file(place)
    s3.files.pipe_file(place, whole[:500] + bytes([whole[500] ^ 1]) + whole[501:])
    arguments = ["translate", SOURCE, OUT, "--model", str(model_folder), "--device", "cpu", "--batch-size", "2"]
    arguments += ["--params", str(tmp_path / "none")]
    done = CliRunner().invoke(app, arguments)
    assert isinstance(done.exception, HflowError)
    assert f"s3://{place} has other bytes than when it was written" in str(done.exception)
    assert sorted(translated) == [name for name in names if name != names[2]]
    s3.files.pipe_file(place, whole)
    _run(model, tmp_path)
    assert translated[-1] == names[2]
    assert len(translated) == SHARDS
    assert s3.content("out") == staged


def test_another_model_takes_no_finished_shard_over(
    s3: S3, project: Project, staged: dict[str, bytes], names: list[str], model: TrainedModel, tmp_path: Path
) -> None:
    s3.files.rm_file(f"town/prepared/source/train/{names[0]}")
    with pytest.raises(HflowError, match=r"12 frames were given and \d+ are accounted for: s3://town/prepared is not"):
        _run(load_model(write_model(tmp_path / "other", seed=1)), tmp_path)
    assert len(_noted(s3)) == SHARDS - 1
    _run(model, tmp_path, frames=project.prepared / "source")
    assert s3.content("out") == staged
    with pytest.raises(HflowError, match="s3://town/out holds something else already"):
        _run(model, tmp_path, seed=1)
    assert s3.content("out") == staged


def test_a_frame_to_be_tried_again_keeps_its_shard_from_being_finished(
    s3: S3,
    staged: dict[str, bytes],
    model: TrainedModel,
    tmp_path: Path,
    translated: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    decode = shard_worker.decode_row

    def failing(row: dict[str, Any]) -> Any:
        if row["key"] == "00003":
            raise PassingError("does not fit into memory")
        return decode(row)

    with monkeypatch.context() as patched:
        patched.setattr(shard_worker, "decode_row", failing)
        assert _run(model, tmp_path, max_rejected=0.5)["rejected"] == 1
    assert not verify(Store(OUT)).faults
    translated.clear()
    assert _run(model, tmp_path)["rejected"] == 0
    assert len(translated) == 1
    assert s3.content("out") == staged


def test_either_side_may_be_a_folder_of_this_machine(
    s3: S3, project: Project, staged: dict[str, bytes], model: TrainedModel, tmp_path: Path, translated: list[str]
) -> None:
    work = tmp_path / "work"
    _run(model, work, out=tmp_path / "here")
    assert bytes_of(tmp_path / "here") == staged
    shutil.rmtree(tmp_path / "here")
    translated.clear()
    _run(model, work, out=tmp_path / "here")
    assert (translated, bytes_of(tmp_path / "here")) == ([], staged), "finished shards are kept here"
    _run(model, work, frames=project.prepared / "source")
    assert s3.content("out") == staged
    _run(model, tmp_path / "elsewhere", frames=project.prepared / "source", out=tmp_path / "both")
    assert bytes_of(tmp_path / "both") == staged


def test_what_makes_no_sense_is_refused_by_name(
    project: Project, model: TrainedModel, model_folder: Path, tmp_path: Path
) -> None:
    for options, said in (
        (["--suffix", "_x"], "--suffix is for folders of images"),
        (["--compile"], "--compile is for folders of images"),
        (["--output-format", "jpg"], "--output-format is for folders of images"),
        (["--list", "names.txt"], "--list is for folders of images"),
        (["--max-pixels", "9"], "--max-pixels is for folders of images"),
    ):
        done = CliRunner().invoke(app, ["translate", SOURCE, OUT, "--model", str(model_folder), *options])
        assert said in str(done.exception)
    refused: list[tuple[dict[str, Any], str]] = [
        ({"frames": "s3://town/prepared/target"}, "no frames of the source: name the folder s3://town/prepared/source"),
        ({"engine": "dask"}, "translate.engine is dask"),
        ({"reject": tmp_path / "verdicts.csv"}, "translate.reject is"),
        ({"out": f"{SOURCE}/out"}, "lies in s3://town/prepared/source"),
        ({"out": "s3://town/prepared"}, "s3://town/prepared holds something else already"),
        ({"frames": project.prepared / "source", "out": project.prepared}, "lie in each other"),
        ({"out": project.folder}, "holds something else already"),
    ]
    for settings, said in refused:
        with pytest.raises(HflowError, match=re.escape(said)):
            _run(model, tmp_path, **settings)


def test_options_take_the_place_of_what_params_say(
    s3: S3, model_folder: Path, project: Project, model: TrainedModel, tmp_path: Path
) -> None:
    given = yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))
    given["translate"] = {"seed": 3, "batch_size": 2, "strength": 0.5}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(given), encoding="utf-8")
    translate(project, model, tmp_path, tmp_path / "sets", seed=3, strength=0.25)
    arguments = [SOURCE, OUT, "--model", str(model_folder), "--device", "cpu", "--strength", "0.25"]
    done = CliRunner().invoke(app, ["translate", *arguments, "--params", str(tmp_path / "params.yaml")])
    assert done.exit_code == 0, done.output
    there, here = s3.content("out"), bytes_of(tmp_path / "translated")
    shards = {name for name in here if name.startswith("train/")}
    assert {name: there[name] for name in shards} == {name: here[name] for name in shards}


def _noted(s3: S3) -> list[str]:
    return [name for name in s3.files.find("town/out") if "/.finished/" in name and name.endswith(".json")]
