"""Translation in this process, on one device."""

import threading

import torch

from hflow.foundation.finished_work import Finished
from hflow.translation.engines.base import Advance
from hflow.translation.shard_task import ShardTask, WorkerMarks
from hflow.translation.shard_worker import ShardWorker

__all__ = ["InProcess"]


class InProcess:
    """Translates in this process.

    Args:
        device: where.
        marks: of this process on it.
    """

    slots = 1

    def __init__(self, device: torch.device, marks: WorkerMarks):
        self.device, self.marks = device, marks
        self._turn = threading.Lock()
        self._worker: ShardWorker | None = None

    def translate(self, task: ShardTask, advance: Advance) -> Finished:
        with self._turn:  # a flow's tasks call from several threads
            if self._worker is None or self._worker.recipe != task.recipe:
                self._worker = ShardWorker(task.recipe, self.device)
            return self._worker.translate(task, advance)
