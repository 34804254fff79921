"""Where shards are translated: in this process, in a process a device, or on the workers of a Dask cluster.

An engine translates one shard a call, and as many calls at once as it has slots. All give the same bytes on the same
kind of device with the same number of threads.
"""

import contextlib
import functools
import multiprocessing
import os
import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, ThreadPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import Connection
from typing import Protocol

import torch

from hflow.foundation.devices import pick_device
from hflow.foundation.errors import HflowError, LostSchedulerError, LostWorkerError
from hflow.foundation.files import NO_ROOM, Finished
from hflow.foundation.params import TranslateParams
from hflow.foundation.progress import say
from hflow.translation.dask_engine import open_cluster
from hflow.translation.shard import Advance, Recipe, ShardTask, ShardWorker, WorkerMarks, translate_here, worker_marks

__all__ = [
    "Engine",
    "ShardRunner",
    "gather_shards",
    "is_transient",
    "open_engine",
    "translate_shards",
    "tried_again",
]

ATTEMPTS = 4
FIRST_DELAY = 1.0


ShardRunner = Callable[["Engine", Recipe, Sequence[ShardTask], Advance], dict[str, Finished]]
"""What has an engine translate shards: `translate_shards`, or what runs them as tasks of an orchestrator."""


class Engine(Protocol):
    """What translates shards.

    Attributes:
        slots: how many shards at once.
        threads: of torch in each worker.
        marks: what `worker_marks` says of a worker.
    """

    slots: int
    threads: int
    marks: WorkerMarks

    def translate(self, recipe: Recipe, task: ShardTask, advance: Advance) -> Finished:
        """One shard; advance is called with a number of frames as they are done, at the latest at the end.

        Raises:
            HflowError: trying again would not help.
            OSError, LostWorkerError: it may.
        """


def is_transient(error: BaseException) -> bool:
    """Whether it may help to try again: for errors of reading and writing and lost workers, not for lack of room."""
    if isinstance(error, OSError):
        return error.errno not in NO_ROOM
    return isinstance(error, LostWorkerError)


@contextlib.contextmanager
def open_engine(params: TranslateParams) -> Iterator[Engine]:
    """The engine that the section `translate` of params.yaml names.

    Raises:
        HflowError: a device or the scheduler is not there, or Dask is not installed.
    """
    if params.engine == "dask":
        with open_cluster(params, 0 if params.scheduler else len(_devices(params))) as cluster:
            yield cluster
        return
    devices = _devices(params)
    if len(devices) == 1:
        yield InProcess(devices[0], params)
        return
    with contextlib.closing(Processes(devices, params)) as processes:
        yield processes


def translate_shards(
    engine: Engine, recipe: Recipe, tasks: Sequence[ShardTask], advance: Advance
) -> dict[str, Finished]:
    """Translate shards, those after a failed one too; gives them by their fingerprint.

    What may pass is tried again, later and later. Lack of room stops the whole at once.

    Raises:
        HflowError: some could not be translated; the others are finished and are kept for the next run.
        OSError: there is no room to write.
    """

    def one(task: ShardTask) -> Finished:
        return tried_again(lambda: engine.translate(recipe, task, advance), task.path.name)

    return gather_shards(_results(one, tasks, engine.slots), len(tasks))


def gather_shards(results: Iterable[tuple[ShardTask, Callable[[], Finished]]], total: int) -> dict[str, Finished]:
    """The finished shards by their fingerprint, of tasks with a call each that gives the result or raises its error.

    Raises:
        HflowError: some could not be translated; the others are finished and are kept for the next run.
        LostSchedulerError: none can be translated any more.
        OSError: there is no room to write.
    """
    finished: dict[str, Finished] = {}
    faults: list[str] = []
    for task, result in results:
        try:
            finished[task.fingerprint] = result()
        except LostSchedulerError:
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
    call: Callable[[], Finished], name: str, may_pass: Callable[[Exception], bool] = is_transient
) -> Finished:
    """What a call gives, tried again, later and later, where its error may pass; it is raised in the end."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return call()
        except (OSError, LostWorkerError) as error:
            if attempt == ATTEMPTS or not may_pass(error):
                raise
            delay = FIRST_DELAY * 2 ** (attempt - 1)
            say(f"shard {name}: {error}; trying again in {delay:g} s")
            time.sleep(delay)
    raise AssertionError


class InProcess:
    """Translates in this process, on one device."""

    slots = 1

    def __init__(self, device: torch.device, params: TranslateParams):
        self.device, self.threads = device, params.threads or torch.get_num_threads()
        self.marks = worker_marks(device, self.threads, params.precision)
        self._turn = threading.Lock()
        self._worker: ShardWorker | None = None

    def translate(self, recipe: Recipe, task: ShardTask, advance: Advance) -> Finished:
        with self._turn:  # a flow's tasks call from several threads
            if self._worker is None or self._worker.recipe != recipe:
                self._worker = ShardWorker(recipe, self.device)
            return self._worker.translate(task, advance)


class Processes:
    """Translates in a process a device. A process that dies is replaced."""

    def __init__(self, devices: Sequence[torch.device], params: TranslateParams):
        self.slots, self.threads = len(devices), params.threads or torch.get_num_threads()
        self.marks = worker_marks(devices[0], self.threads, params.precision)
        self._devices = devices
        self._free: queue.SimpleQueue[int] = queue.SimpleQueue()
        for slot in range(self.slots):
            self._free.put(slot)
        self._pools: dict[int, tuple[ProcessPoolExecutor, Connection]] = {}
        self._closed = False

    def translate(self, recipe: Recipe, task: ShardTask, advance: Advance) -> Finished:
        slot = self._free.get()
        try:
            device = str(self._devices[slot])
            finished = self._pool(slot).submit(translate_here, recipe, task, device).result()
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
            pool = ProcessPoolExecutor(1, mp_context=context, initializer=_end_with, initargs=(end,))
            self._pools[slot] = pool, lifeline
        return self._pools[slot][0]


def _devices(params: TranslateParams) -> list[torch.device]:
    first = pick_device(params.device)
    if first.type != "cuda" or first.index is not None:
        return [first] * (1 if params.devices == "all" else params.devices)
    there = torch.cuda.device_count()
    count = there if params.devices == "all" else params.devices
    if count > there:
        raise HflowError(f"translate.devices is {count}, and there are {there} GPUs here: lower it, or set it to all")
    return [torch.device("cuda", number) for number in range(count)]


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


def _end_with(lifeline: Connection) -> None:
    """End this process when the other end of the pipe is closed, be it since the process that had it was killed."""

    def watch() -> None:
        with contextlib.suppress(EOFError, OSError):
            lifeline.recv()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
