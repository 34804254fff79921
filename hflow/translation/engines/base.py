"""What an engine is."""

from collections.abc import Callable
from typing import Protocol

from hflow.foundation.finished_work import Finished
from hflow.translation.shard_task import ShardTask, WorkerMarks

__all__ = ["Advance", "Engine"]

Advance = Callable[[int], None]
"""Is told of so many frames that they are done."""


class Engine(Protocol):
    """Translates one shard a call, and as many calls at once as it has slots.

    Attributes:
        slots: how many shards at once.
        marks: what `worker_marks` says of a worker.
    """

    slots: int
    marks: WorkerMarks

    def translate(self, task: ShardTask, advance: Advance) -> Finished:
        """One shard; advance is told of frames as they are done, at the latest at the end.

        Raises:
            HflowError: trying again would not help.
            OSError, LostWorkerError: it may.
        """
