"""Translation in processes of this machine, a device each."""

import multiprocessing
import queue
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import Connection

import torch

from hflow.foundation.errors import HflowError, LostWorkerError
from hflow.foundation.finished_work import Finished
from hflow.foundation.lifeline import end_with
from hflow.translation.engines.base import Advance
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
        self._devices = devices
        self._free: queue.SimpleQueue[int] = queue.SimpleQueue()
        for slot in range(self.slots):
            self._free.put(slot)
        self._pools: dict[int, tuple[ProcessPoolExecutor, Connection]] = {}
        self._closed = False

    def translate(self, task: ShardTask, advance: Advance) -> Finished:
        slot = self._free.get()
        try:
            device = str(self._devices[slot])
            finished = self._pool(slot).submit(translate_here, task, device).result()
        except BrokenProcessPool:
            self._pools.pop(slot)
            if self._closed:
                raise HflowError("the run was stopped") from None
            raise LostWorkerError(f"the process on {device} was lost") from None
        finally:
            self._free.put(slot)
        advance(task.rows)
        return finished

    def close(self) -> None:
        """End the processes, a shard in flight with them."""
        self._closed = True
        for pool, lifeline in list(self._pools.values()):
            lifeline.close()
            pool.shutdown(wait=False, cancel_futures=True)

    def _pool(self, slot: int) -> ProcessPoolExecutor:
        if self._closed:
            raise HflowError("the run was stopped")
        if slot not in self._pools:
            context = multiprocessing.get_context("spawn")
            end, lifeline = context.Pipe(duplex=False)
            pool = ProcessPoolExecutor(1, mp_context=context, initializer=end_with, initargs=(end,))
            self._pools[slot] = pool, lifeline
        return self._pools[slot][0]
