"""The stage translate as a flow: a task a shard, tried again where that may help, and progress to be seen."""

import errno
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import requests
import torch
import yaml
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.stage import stage_flow
from flows.translate import run_as_tasks
from hflow.foundation.errors import HflowError, LostWorkerError
from hflow.foundation.finished_work import Finished
from hflow.foundation.params import TranslateParams
from hflow.model.store import load_model
from hflow.translation.engines.in_process import InProcess
from hflow.translation.plan import plan_translation
from hflow.translation.shard_task import ShardTask, worker_marks
from tests.clusters import cluster_of_commands, cluster_that_gives_up
from tests.conftest import Project
from tests.databases import Databases
from tests.servers import free_port, served
from tests.workers import kill_a_worker

pytestmark = pytest.mark.end_to_end
OPTIONS = {"device": "cpu", "threads": 1, "batch_size": 2}


@pytest.fixture(scope="module")
def api(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Prefect server; gives its address."""
    folder, port = tmp_path_factory.mktemp("prefect"), free_port()
    command = ("prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port))
    address = f"http://127.0.0.1:{port}/api"
    databases.prefect(folder)
    home = {"PREFECT_HOME": str(folder), "PREFECT_SERVER_ANALYTICS_ENABLED": "false", "DO_NOT_TRACK": "1"}
    with served(*command, url=f"{address}/health", log=folder / "log", environment=home, seconds=300):
        yield address


def _ask(api: str, what: str, **body: Any) -> list[dict[str, Any]]:
    answer = requests.post(f"{api}/{what}/filter", json=body, timeout=60)
    answer.raise_for_status()
    found: list[dict[str, Any]] = answer.json()
    return found


def _progress(api: str) -> float:
    (newest, *_) = _ask(api, "artifacts", sort="CREATED_DESC", artifacts={"key": {"any_": ["translate-progress"]}})
    return float(newest["data"])


class _Engine(InProcess):
    """Raises these errors for the first shard before it translates; notes how far the artifact says it is."""

    def __init__(self, api: str, errors: list[Exception]):
        cpu = torch.device("cpu")
        super().__init__(cpu, worker_marks(cpu, 1, "auto"))
        self.api, self.errors, self.seen = api, errors, list[float]()
        self.first: ShardTask | None = None

    def translate(self, task: ShardTask, advance: Any) -> Finished:
        self.seen.append(_progress(self.api))
        self.first = self.first or task
        if self.errors and task == self.first:
            raise self.errors.pop(0)
        return super().translate(task, advance)


def _run(api: str, project: Project, model_folder: Path, work: Path, errors: list[Exception]) -> tuple[_Engine, Any]:
    """A flow run of the stage; gives the engine and the state that the flow ended in."""
    engine, params = _Engine(api, errors), TranslateParams.model_validate(OPTIONS)
    plan = plan_translation(load_model(model_folder), params, engine.marks, prepared=project.prepared, work=work)
    advanced: list[int] = []

    @stage_flow
    def translate_here() -> None:
        finished = run_as_tasks(engine, plan.tasks, advanced.append)
        assert finished.keys() == {task.fingerprint for task in plan.tasks}
        assert sum(advanced) == plan.frames

    with temporary_settings({PREFECT_API_URL: api}):
        return engine, translate_here(return_state=True)


def _tasks(api: str, state: Any) -> list[dict[str, Any]]:
    return _ask(api, "task_runs", flow_runs={"id": {"any_": [str(state.state_details.flow_run_id)]}})


def test_a_shard_is_a_task_and_the_artifact_says_how_far_it_is(
    api: str, project: Project, model_folder: Path, tmp_path: Path
) -> None:
    engine, state = _run(api, project, model_folder, tmp_path, [])
    assert state.is_completed()
    shards = {f"train/{path.name}" for path in (project.prepared / "source/train").glob("shard-*")}
    assert {task["name"] for task in _tasks(api, state)} == shards
    assert engine.seen == sorted(engine.seen)
    assert any(0 < value < 100 for value in engine.seen), "it must be seen while the work goes on"
    assert _progress(api) == 100


@pytest.fixture
def heeds_ctrl_c() -> Iterator[None]:
    """Tests that run in the background of a shell are born deaf to it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heeds_ctrl_c")
def test_a_stopped_run_stops_its_tasks_and_is_cancelled(
    api: str, project: Project, model_folder: Path, tmp_path: Path
) -> None:
    class Endless(_Engine):
        def translate(self, task: ShardTask, advance: Any) -> Finished:
            while True:
                time.sleep(0.1)
                if time.monotonic() > end:
                    return super().translate(task, advance)
                advance(0)

    engine, params = Endless(api, []), TranslateParams.model_validate(OPTIONS)
    plan = plan_translation(load_model(model_folder), params, engine.marks, prepared=project.prepared, work=tmp_path)

    @stage_flow
    def translate_here() -> None:
        threading.Timer(2, signal.pthread_kill, (threading.main_thread().ident, signal.SIGINT)).start()
        run_as_tasks(engine, plan.tasks, lambda _: None)

    with temporary_settings({PREFECT_API_URL: api}):
        end = time.monotonic() + 60
        state = translate_here(return_state=True)
    assert state.is_cancelled()
    assert time.monotonic() < end


@pytest.mark.parametrize("error", [OSError(errno.EIO, "Input/output error"), LostWorkerError("gone")])
def test_a_task_is_tried_again_later_and_later_where_it_may_help(
    api: str, project: Project, model_folder: Path, tmp_path: Path, error: Exception
) -> None:
    _, state = _run(api, project, model_folder, tmp_path, [error, error])
    assert state.is_completed()
    tasks = _tasks(api, state)
    assert sorted(task["run_count"] for task in tasks) == [1] * (len(tasks) - 1) + [3]
    (again,) = (task for task in tasks if task["run_count"] == 3)
    begun, ended = (datetime.fromisoformat(again[name]) for name in ("start_time", "end_time"))
    assert (ended - begun).total_seconds() > 2 + 4


@pytest.mark.parametrize("error", [HflowError("bad value"), OSError(errno.ENOSPC, "No space left on device")])
def test_bad_values_and_a_full_disk_are_not_tried_again(
    api: str, project: Project, model_folder: Path, tmp_path: Path, error: Exception
) -> None:
    _, state = _run(api, project, model_folder, tmp_path, [error, error])
    assert state.is_failed()
    assert (error.strerror if isinstance(error, OSError) else str(error)) in state.message
    assert max(task["run_count"] for task in _tasks(api, state)) == 1


def _stage(project: Project, model_folder: Path, folder: Path, **options: Any) -> Path:
    """A folder in which `python -m flows.translate` runs."""
    shutil.copytree(project.prepared, folder / "data/prepared")
    shutil.copytree(project.sets, folder / "data/sets")
    shutil.copytree(model_folder, folder / "models/hflow")
    params = yaml.safe_load((Path(__file__).parents[2] / "params.yaml").read_text())
    params["translate"] |= {**OPTIONS, **options}
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    return folder


def _command(api: str, folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "flows.translate"],
        cwd=folder,
        env={**os.environ, "PREFECT_API_URL": api},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def _published(folder: Path) -> dict[str, bytes]:
    root = folder / "data/translated"
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in root.rglob("*") if p.is_file()}


@pytest.fixture(scope="module")
def alone(api: str, project: Project, model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What the flow publishes that runs in one process."""
    folder = _stage(project, model_folder, tmp_path_factory.mktemp("alone") / "run")
    said, status = _run_to_end(api, folder)
    assert status == 0, said
    return _published(folder)


def _run_to_end(api: str, folder: Path) -> tuple[str, int]:
    run = _command(api, folder)
    return run.communicate(timeout=300)[0], run.returncode


def test_on_dask_the_tasks_run_in_its_workers_and_one_that_is_lost_changes_nothing(
    api: str, project: Project, model_folder: Path, alone: dict[str, bytes], tmp_path: Path
) -> None:
    pytest.importorskip("prefect_dask")
    folder = _stage(project, model_folder, tmp_path / "dask", engine="dask", devices=2)
    run = _command(api, folder)
    kill_a_worker(run.pid, folder / ".hflow/translate")
    said = run.communicate(timeout=300)[0]
    assert run.returncode == 0, said
    assert "Connecting to existing Dask cluster" in said, "prefect-dask says so"
    assert _published(folder) == alone
    shards = {f"train/{path.name}" for path in (project.prepared / "source/train").glob("shard-*")}
    newest = _ask(api, "flow_runs", sort="START_TIME_DESC")[0]["id"]
    tasks = _ask(api, "task_runs", flow_runs={"id": {"any_": [newest]}})
    assert {task["name"] for task in tasks} == shards


def test_a_shard_that_dask_gives_up_is_submitted_again_as_a_task(
    api: str, project: Project, model_folder: Path, alone: dict[str, bytes], tmp_path: Path
) -> None:
    pytest.importorskip("prefect_dask")
    work = tmp_path / "run/.hflow/translate"
    with cluster_that_gives_up(work) as address:
        folder = _stage(project, model_folder, tmp_path / "run", engine="dask", scheduler=address)
        said, status = _run_to_end(api, folder)
    assert status == 0, said
    assert "on 1 different workers" in said
    assert "trying again in 1 s" in said
    assert _published(folder) == alone


def test_a_scheduler_that_is_lost_is_named_and_with_a_new_one_the_flow_goes_on(
    api: str, project: Project, model_folder: Path, alone: dict[str, bytes], tmp_path: Path
) -> None:
    pytest.importorskip("prefect_dask")
    work = tmp_path / "run/.hflow/translate"
    with cluster_of_commands(dies_at=work) as address:
        folder = _stage(project, model_folder, tmp_path / "run", engine="dask", scheduler=address)
        said, status = _run_to_end(api, folder)
    assert status != 0
    assert f"the Dask scheduler at {address} was lost" in said
    finished = {p: p.with_suffix("").stat().st_mtime_ns for p in work.glob("*.json")}
    assert finished
    with cluster_of_commands() as address:
        params = yaml.safe_load((folder / "params.yaml").read_text())
        params["translate"]["scheduler"] = address
        (folder / "params.yaml").write_text(yaml.safe_dump(params))
        said, status = _run_to_end(api, folder)
    assert status == 0, said
    assert _published(folder) == alone
    assert all(p.with_suffix("").stat().st_mtime_ns == written for p, written in finished.items())
