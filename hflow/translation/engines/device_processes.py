"""Processes of this machine, a device each, that are handed calls."""

import multiprocessing
import queue
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import Connection
from typing import TypeVar

import torch

from hflow.foundation.errors import HflowError, LostWorkerError
from hflow.foundation.lifeline import end_with

__all__ = ["DeviceProcesses"]

Task = TypeVar("Task")
Result = TypeVar("Result")


class DeviceProcesses:
    """A process a device, started when it is needed; one that dies is replaced.

    Args:
        devices: one for each process.
    """

    def __init__(self, devices: Sequence[torch.device]):
        self._devices = devices
        self._free: queue.SimpleQueue[int] = queue.SimpleQueue()
        for slot in range(len(devices)):
            self._free.put(slot)
        self._pools: dict[int, tuple[ProcessPoolExecutor, Connection]] = {}
        self._closed = False

    def call(self, function: Callable[[Task, str], Result], task: Task) -> Result:
        """What `function` of a module gives for a task and the name of a device, in the process that is free first.

        Raises:
            LostWorkerError: the process died.
            HflowError: the processes were closed; or whatever the function raises.
        """
        slot = self._free.get()
        device = str(self._devices[slot])
        try:
            return self._pool(slot).submit(function, task, device).result()
        except BrokenProcessPool:
            self._pools.pop(slot)
            if self._closed:
                raise HflowError("the run was stopped") from None
            raise LostWorkerError(f"the process on {device} was lost") from None
        finally:
            self._free.put(slot)

    def close(self) -> None:
        """End the processes, a task in flight with them."""
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
