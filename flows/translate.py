"""The stage translate as a flow: every prepared frame in the target's style, a task a shard."""

import contextlib
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, cast
from uuid import UUID

from prefect import Task, task
from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import TaskRun
from prefect.context import FlowRunContext
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import State
from prefect.tasks import exponential_backoff

from flows.stage import publish_table, run_as_command, stage_flow
from hflow.foundation.errors import HflowError, LostWorkerError
from hflow.foundation.finished_work import Finished
from hflow.foundation.params import load_params
from hflow.pipeline import stages
from hflow.translation.engines.base import Advance, Engine
from hflow.translation.engines.dask import DaskCluster, losses_named, translate_on_worker
from hflow.translation.engines.running import gather_shards, is_transient, tried_again
from hflow.translation.shard_task import ShardTask

__all__ = ["run_as_tasks", "translate"]

Submit = Callable[[ShardTask], Callable[[], Finished]]
"""Starts the task of a shard; gives a call that waits for its result."""


@stage_flow
def translate(params: Path = Path("params.yaml")) -> dict[str, Any]:
    """Run the stage with the parameters in a params.yaml."""
    # Without a run, as after the loss of its server, shards are translated as the plain command does it.
    run = run_as_tasks if FlowRunContext.get() else None
    result = stages.translate(load_params(params), run)
    publish_table("translate", result, "How many frames were translated, and how much of them was kept")
    return result


def run_as_tasks(engine: Engine, shards: Sequence[ShardTask], advance: Advance) -> dict[str, Finished]:
    """Have an engine translate shards, each as a task; how far it is shows as an artifact too."""
    made = create_progress_artifact(progress=0.0, key="translate-progress", description="Shards translated")
    artifact = cast("UUID", made)  # Prefect's type allows for a caller that is asynchronous.

    def results(submit: Submit) -> Iterator[tuple[ShardTask, Callable[[], Finished]]]:
        waiting: deque[tuple[ShardTask, Callable[[], Finished]]] = deque()
        ended = 0
        for shard in (*shards, None):
            # As many as keep the engine busy: a task that waits would hold a thread.
            while waiting and (shard is None or len(waiting) >= 2 * engine.slots):
                yield waiting.popleft()
                ended += 1
                update_progress_artifact(artifact, progress=100 * ended / len(shards))
            if shard is not None:
                waiting.append((shard, submit(shard)))

    tasks = _on_workers(engine, advance) if isinstance(engine, DaskCluster) else _here(engine, advance)
    with tasks as submit:
        return gather_shards(results(submit), len(shards))


def _may_pass(_task: Task[..., Any], _run: TaskRun, state: State[Any]) -> bool:
    """Whether a shard is worth another try: not for bad values, nor for a full disk."""
    error = state.result(raise_on_failure=False)
    return isinstance(error, BaseException) and is_transient(error)


shard_task = task(
    cache_policy=NO_CACHE,
    task_run_name="{shard.split}/{shard.path.name}",
    retries=3,
    retry_delay_seconds=exponential_backoff(backoff_factor=2),
    retry_condition_fn=_may_pass,
)


@contextlib.contextmanager
def _here(engine: Engine, advance: Advance) -> Iterator[Submit]:
    """Tasks in threads of this process, which wait for the engine; a stopped run stops them after their batch."""
    stopped = threading.Event()

    def advance_until_stopped(count: int = 1) -> None:
        if stopped.is_set():
            raise HflowError("the run was stopped")
        advance(count)

    @shard_task
    def translate_shard(shard: ShardTask) -> Finished:
        return engine.translate(shard, advance_until_stopped)

    try:
        yield lambda shard: translate_shard.submit(shard).result
    finally:
        stopped.set()


@shard_task
def translate_shard_there(shard: ShardTask, device: str) -> Finished:
    """A task in a worker of a cluster."""
    return translate_on_worker(shard, device)


@contextlib.contextmanager
def _on_workers(cluster: DaskCluster, advance: Advance) -> Iterator[Submit]:
    """Tasks in the workers of a Dask cluster, by prefect-dask."""
    try:
        from prefect_dask import DaskTaskRunner
    except ImportError:
        raise HflowError('a flow on Dask needs prefect-dask: `uv pip install "hflow[dask]"`') from None

    def submit(shard: ShardTask) -> Callable[[], Finished]:
        given = {"shard": shard, "device": cluster.device}
        started = [runner.submit(translate_shard_there, given)]

        def result() -> Finished:
            future = started.pop() if started else runner.submit(translate_shard_there, given)
            with losses_named(cluster.address):
                finished = future.result()
            advance(shard.rows)
            return finished

        # Prefect tries again in the worker itself, which is no help where that is what is lost.
        return lambda: tried_again(result, f"shard {shard.path.name}", lambda error: isinstance(error, LostWorkerError))

    # The server of this run, be it a temporary one, else every worker would start its own.
    context = FlowRunContext.get()
    assert context is not None
    with (
        temporary_settings({PREFECT_API_URL: str(context.client.api_url)}),
        DaskTaskRunner(address=cluster.address) as runner,
    ):
        yield submit


if __name__ == "__main__":
    run_as_command(translate)
