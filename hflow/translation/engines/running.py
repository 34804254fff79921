"""Shards given to an engine, those whose errors may pass again."""

import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt, wait_exponential

from hflow.foundation.atomic_files import NO_ROOM
from hflow.foundation.errors import AwayError, HflowError, LostSchedulerError, LostWorkerError
from hflow.foundation.finished_work import Finished
from hflow.foundation.progress import say
from hflow.translation.engines.base import Advance, Engine
from hflow.translation.shard_task import ShardTask

__all__ = ["ShardRunner", "gather_shards", "is_transient", "translate_shards", "tried_again"]

ATTEMPTS = 4
FIRST_DELAY = 1.0

Result = TypeVar("Result")

ShardRunner = Callable[[Engine, Sequence[ShardTask], Advance], dict[str, Finished]]
"""What has an engine translate shards: `translate_shards`, or what runs them as tasks of an orchestrator."""


def is_transient(error: BaseException) -> bool:
    """Whether it may help to try again: for errors of reading and writing and lost workers, not for lack of room."""
    if isinstance(error, OSError):
        return error.errno not in NO_ROOM
    return isinstance(error, LostWorkerError)


def translate_shards(engine: Engine, tasks: Sequence[ShardTask], advance: Advance) -> dict[str, Finished]:
    """Translate shards, those after a failed one too; gives them by their fingerprint.

    What may pass is tried again, later and later. Lack of room stops the whole at once.

    Raises:
        HflowError: some could not be translated; the others are finished and are kept for the next run.
        OSError: there is no room to write.
    """

    def one(task: ShardTask) -> Finished:
        return tried_again(lambda: engine.translate(task, advance), f"shard {task.path.name}")

    return gather_shards(_results(one, tasks, engine.slots), len(tasks))


def gather_shards(results: Iterable[tuple[ShardTask, Callable[[], Finished]]], total: int) -> dict[str, Finished]:
    """The finished shards by their fingerprint, of tasks with a call each that gives the result or raises its error.

    Raises:
        HflowError: some could not be translated; the others are finished and are kept for the next run.
        LostSchedulerError, AwayError: none can be translated any more.
        OSError: there is no room to write.
    """
    finished: dict[str, Finished] = {}
    faults: list[str] = []
    for task, result in results:
        try:
            finished[task.fingerprint] = result()
        except (LostSchedulerError, AwayError):
            raise
        except HflowError as error:
            faults.append(str(error))
            say(f"shard {task.split}/{task.path.name}: {error}")
        except (OSError, LostWorkerError) as error:
            if isinstance(error, OSError) and error.errno in NO_ROOM:
                raise
            faults.append(f"{task.path}: {error}")
    if faults:
        raise HflowError(
            f"{len(faults)} of {total} shards could not be translated; the others are finished and kept, mend "
            f"these and run the same command again: {'; '.join(faults[:3])}"
        )
    return finished


def tried_again(
    call: Callable[[], Result], name: str, may_pass: Callable[[BaseException], bool] = is_transient
) -> Result:
    """What a call gives, tried again, later and later, where its error may pass; it is raised in the end."""
    return Retrying(
        stop=stop_after_attempt(ATTEMPTS),
        wait=wait_exponential(FIRST_DELAY),
        retry=retry_if_exception(may_pass),
        before_sleep=lambda state: _say_delay(state, name),
        reraise=True,
    )(call)


def _say_delay(state: RetryCallState, name: str) -> None:
    assert state.outcome is not None
    assert state.next_action is not None
    say(f"{name}: {state.outcome.exception()}; trying again in {state.next_action.sleep:g} s")


def _results(
    one: Callable[[ShardTask], Finished], tasks: Sequence[ShardTask], slots: int
) -> Iterator[tuple[ShardTask, Callable[[], Finished]]]:
    """Every task as it ends, with a call that gives its result or raises its error."""
    if slots == 1:  # In this thread, so that a signal ends it at once.
        for task in tasks:
            yield task, functools.partial(one, task)
        return
    pool = ThreadPoolExecutor(slots)
    try:
        pending: dict[Future[Finished], ShardTask] = {pool.submit(one, task): task for task in tasks}
        while pending:
            done, _ = wait(pending, return_when=FIRST_COMPLETED)
            for future in done:
                yield pending.pop(future), future.result
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
