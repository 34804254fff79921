"""The stage translate as a flow: every prepared frame in the target's style, a task a shard."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, cast
from uuid import UUID

from prefect import Task, task
from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import TaskRun
from prefect.futures import PrefectFuture
from prefect.states import State
from prefect.tasks import exponential_backoff

from flows.stage import publish_table, run_as_command, stage_flow
from hflow import stages
from hflow.engines import Engine, gather_shards, is_transient
from hflow.files import Finished
from hflow.params import load_params
from hflow.shard_translation import Recipe, ShardTask

__all__ = ["translate"]


@stage_flow
def translate(params: Path = Path("params.yaml")) -> dict[str, Any]:
    """Run the stage with the parameters in a params.yaml."""
    result = stages.translate(load_params(params), run_as_tasks)
    publish_table("translate", result, "How many frames were translated, and how much of them was kept")
    return result


def run_as_tasks(
    engine: Engine, recipe: Recipe, shards: Sequence[ShardTask], advance: Callable[[int], None]
) -> dict[str, Finished]:
    """Have an engine translate shards, each as a task; how far it is shows as an artifact too."""
    by_name = {f"{shard.split}/{shard.path.name}": shard for shard in shards}

    @task(
        cache_policy=NO_CACHE,
        task_run_name="{shard}",
        retries=3,
        retry_delay_seconds=exponential_backoff(backoff_factor=2),
        retry_condition_fn=_may_pass,
    )
    def translate_shard(shard: str) -> Finished:
        return engine.translate(recipe, by_name[shard], advance)

    made = create_progress_artifact(progress=0.0, key="translate-progress", description="Shards translated")
    artifact = cast("UUID", made)  # Prefect's type allows for a caller that is asynchronous.

    def results() -> Iterator[tuple[ShardTask, Callable[[], Finished]]]:
        waiting: deque[tuple[str, PrefectFuture[Finished]]] = deque()
        ended = 0
        for name in (*by_name, None):
            # As many as keep the engine busy: a task that waits would hold a thread.
            while waiting and (name is None or len(waiting) >= 2 * engine.slots):
                first, future = waiting.popleft()
                future.wait()
                yield by_name[first], future.result
                ended += 1
                update_progress_artifact(artifact, progress=100 * ended / len(by_name))
            if name is not None:
                waiting.append((name, translate_shard.submit(name)))

    return gather_shards(results(), len(shards))


def _may_pass(_task: Task[..., Any], _run: TaskRun, state: State[Any]) -> bool:
    """Whether a shard is worth another try: not for bad values, nor for a full disk."""
    error = state.result(raise_on_failure=False)
    return isinstance(error, BaseException) and is_transient(error)


if __name__ == "__main__":
    run_as_command(translate)
