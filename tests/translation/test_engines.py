"""Engines: the same bytes wherever a shard is translated, and no frame lost with a worker."""

import errno
import os
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hflow.foundation.errors import HflowError, LostWorkerError
from hflow.foundation.files import Finished
from hflow.foundation.params import TranslateParams
from hflow.model.store import load_model
from hflow.translation import engines
from hflow.translation.engines import InProcess, is_transient, open_engine, translate_shards
from hflow.translation.plan import Plan, plan_translation, publish_translation
from hflow.translation.shard import ShardWorker
from tests.clusters import cluster_of_commands, cluster_that_gives_up
from tests.conftest import Project
from tests.workers import descendants, kill_a_worker

IN_PROCESS = {"device": "cpu", "threads": 1, "batch_size": 2}


def _bytes(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def _run(
    project: Project,
    model_folder: Path,
    out: Path,
    meanwhile: Callable[[Plan], object] = lambda _: None,
    **options: Any,
) -> dict[str, bytes]:
    """A run with `meanwhile` in a thread beside it; the published bytes."""
    params = TranslateParams.model_validate({**IN_PROCESS, **options})
    with open_engine(params) as engine:
        plan = plan_translation(load_model(model_folder), params, engine, prepared=project.prepared, work=out / "work")
        beside = threading.Thread(target=meanwhile, args=[plan])
        beside.start()
        finished = translate_shards(engine, plan.recipe, plan.tasks, lambda _: None)
        beside.join()
    publish_translation(plan, finished, prepared=project.prepared, out=out / "translated", sets=project.sets)
    return _bytes(out / "translated")


@pytest.fixture(scope="module")
def expected(project: Project, model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return _run(project, model_folder, tmp_path_factory.mktemp("in process"))


def _kill_a_worker(work: Path) -> Callable[[Plan], None]:
    """Kill -9 the first new child process that has Python work to do, once a shard is finished."""
    known = set(descendants(os.getpid()))
    return lambda _: kill_a_worker(os.getpid(), work, known)


def test_processes_give_the_same_bytes_also_when_one_is_lost(
    project: Project, model_folder: Path, expected: dict[str, bytes], tmp_path: Path
) -> None:
    kill = _kill_a_worker(tmp_path / "work")
    assert _run(project, model_folder, tmp_path, kill, devices=2) == expected


@pytest.mark.end_to_end
def test_dask_gives_the_same_bytes_also_when_a_worker_is_lost(
    project: Project, model_folder: Path, expected: dict[str, bytes], tmp_path: Path
) -> None:
    pytest.importorskip("distributed")
    kill = _kill_a_worker(tmp_path / "work")
    assert _run(project, model_folder, tmp_path, kill, devices=2, engine="dask") == expected


@pytest.mark.end_to_end
def test_a_scheduler_s_address_is_enough_and_its_workers_take_one_shard_at_a_time(
    project: Project, model_folder: Path, expected: dict[str, bytes], tmp_path: Path
) -> None:
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None) as cluster:
        options = {"engine": "dask", "scheduler": cluster.scheduler_address}
        assert _run(project, model_folder, tmp_path, **options) == expected
    with distributed.LocalCluster(1, threads_per_worker=2, processes=False, dashboard_address=None) as cluster:
        params = TranslateParams(engine="dask", scheduler=cluster.scheduler_address)
        with pytest.raises(HflowError, match=r"takes 2 shards at once.*--nthreads 1"), open_engine(params):
            pass


@pytest.mark.end_to_end
def test_a_shard_that_dask_gives_up_is_submitted_again(
    project: Project,
    model_folder: Path,
    expected: dict[str, bytes],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pytest.importorskip("distributed")
    with cluster_that_gives_up(tmp_path / "work") as address:
        assert _run(project, model_folder, tmp_path, engine="dask", scheduler=address) == expected
    assert re.search(r"on 1 different workers.*trying again in 1 s", capsys.readouterr().err, re.DOTALL)


@pytest.mark.end_to_end
def test_a_scheduler_that_is_lost_is_named_and_with_a_new_one_the_run_goes_on(
    project: Project, model_folder: Path, expected: dict[str, bytes], tmp_path: Path
) -> None:
    pytest.importorskip("distributed")
    lost = r"scheduler at tcp://127.0.0.1:\d+ was lost.*run the same command again"
    with cluster_of_commands(dies_at=tmp_path / "work") as address, pytest.raises(HflowError, match=lost):
        _run(project, model_folder, tmp_path, engine="dask", scheduler=address)
    finished = {p: p.with_suffix("").stat().st_mtime_ns for p in (tmp_path / "work").glob("*.json")}
    assert finished
    with cluster_of_commands() as address:
        assert _run(project, model_folder, tmp_path, engine="dask", scheduler=address) == expected
    assert all(p.with_suffix("").stat().st_mtime_ns == written for p, written in finished.items())


def test_a_scheduler_that_is_not_there_is_named() -> None:
    pytest.importorskip("distributed")
    params = TranslateParams(engine="dask", scheduler="no scheduler")
    with pytest.raises(HflowError, match="no Dask scheduler at 'no scheduler'"), open_engine(params):
        pass


def test_a_worker_that_would_give_other_bytes_refuses(project: Project, model_folder: Path, tmp_path: Path) -> None:
    params = TranslateParams.model_validate(IN_PROCESS)
    with open_engine(params) as engine:
        assert isinstance(engine, InProcess)
        engine.marks = engine.marks._replace(machine=("another library",))
        plan = plan_translation(load_model(model_folder), params, engine, prepared=project.prepared, work=tmp_path)
        with pytest.raises(HflowError, match=r"would give other bytes.*another library"):
            ShardWorker(plan.recipe, engine.device)


class _Shaky(InProcess):
    """Fails so many times before it translates."""

    def __init__(self, failures: list[Exception]):
        import torch

        super().__init__(torch.device("cpu"), TranslateParams.model_validate(IN_PROCESS))
        self.failures, self.calls = failures, 0

    def translate(self, *args: Any) -> Finished:
        self.calls += 1
        if self.failures:
            raise self.failures.pop(0)
        return super().translate(*args)


@pytest.mark.parametrize("error", [OSError(errno.EIO, "Input/output error"), LostWorkerError("gone")])
def test_errors_that_may_pass_are_tried_again_later_and_later(
    project: Project, model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    waits: list[float] = []
    monkeypatch.setattr(engines.time, "sleep", waits.append)
    engine = _Shaky([error, error])
    params = TranslateParams.model_validate(IN_PROCESS)
    plan = plan_translation(load_model(model_folder), params, engine, prepared=project.prepared, work=tmp_path)
    assert len(translate_shards(engine, plan.recipe, plan.tasks, lambda _: None)) == len(plan.tasks)
    assert waits == [1, 2]


@pytest.mark.parametrize("error", [HflowError("bad value"), OSError(errno.ENOSPC, "No space left on device")])
def test_bad_values_and_a_full_disk_are_not_tried_again(
    project: Project, model_folder: Path, tmp_path: Path, error: Exception
) -> None:
    assert not is_transient(error)
    engine = _Shaky([error])
    params = TranslateParams.model_validate(IN_PROCESS)
    plan = plan_translation(load_model(model_folder), params, engine, prepared=project.prepared, work=tmp_path)
    with pytest.raises(type(error)):
        translate_shards(engine, plan.recipe, plan.tasks, lambda _: None)
    assert engine.calls == (1 if isinstance(error, OSError) else len(plan.tasks))
