"""Translation in processes of this machine, a device each."""

from collections.abc import Sequence

import torch

from hflow.foundation.finished_work import Finished
from hflow.translation.engines.base import Advance
from hflow.translation.engines.device_processes import DeviceProcesses
from hflow.translation.shard_task import ShardTask, WorkerMarks
from hflow.translation.shard_worker import translate_here

__all__ = ["Processes"]


class Processes:
    """Translates in a process a device. A process that dies is replaced.

    Args:
        devices: where, all of a kind.
        marks: of a process on one of them.
    """

    def __init__(self, devices: Sequence[torch.device], marks: WorkerMarks):
        self.slots, self.marks = len(devices), marks
        self._processes = DeviceProcesses(devices)

    def translate(self, task: ShardTask, advance: Advance) -> Finished:
        finished = self._processes.call(translate_here, task)
        advance(task.rows)
        return finished

    def close(self) -> None:
        """End the processes, a shard in flight with them."""
        self._processes.close()
