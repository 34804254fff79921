"""Translation on the workers of a Dask cluster, on this machine or on others."""

import contextlib
from collections.abc import Iterator
from concurrent.futures import CancelledError
from typing import Any

import torch

from hflow.foundation.devices import pick_device
from hflow.foundation.errors import HflowError, LostSchedulerError, LostWorkerError
from hflow.foundation.finished_work import Finished
from hflow.foundation.params import ClusterParams, TranslateParams
from hflow.translation.engines.base import Advance
from hflow.translation.engines.clusters import started
from hflow.translation.shard_task import ShardTask, WorkerMarks, worker_marks
from hflow.translation.shard_worker import translate_here
from hflow.translation.translator import Precision

__all__ = ["DaskCluster", "losses_named", "open_cluster", "translate_on_worker"]


class DaskCluster:
    """Translates on the workers of a Dask cluster, which read the shards and write the finished ones by the same paths.

    Dask itself gives the shard of a worker that is lost to another, three times.

    Attributes:
        address: of the scheduler.
        device: the name of the device that each worker takes.
        slots, marks: as of any engine.
    """

    def __init__(self, client: Any, params: TranslateParams):
        self._client, self.device, self.address = client, params.device, str(client.scheduler.address)
        workers = len(client.scheduler_info(n_workers=-1)["workers"])
        if not workers:
            raise HflowError(f"the Dask cluster has no worker: start some (`dask worker {self.address}`) first")
        if params.cluster:
            workers = max(workers, params.cluster.workers.workers)
        # The calls only wait; workers that come later find work too.
        self.slots = max(8, 4 * workers)
        with losses_named(self.address):
            self.marks = client.submit(
                _marks_there, params.device, params.threads, params.precision, pure=False
            ).result()

    def translate(self, task: ShardTask, advance: Advance) -> Finished:
        with losses_named(self.address):
            finished: Finished = self._client.submit(translate_on_worker, task, self.device, pure=False).result()
        advance(task.rows)
        return finished


@contextlib.contextmanager
def open_cluster(params: TranslateParams, workers: int) -> Iterator[DaskCluster]:
    """The cluster whose scheduler `params` name, the one that they have started, or one of so many workers here.

    Raises:
        HflowError: there is no such scheduler, a cluster can't be started, or Dask is not installed.
    """
    try:
        from distributed import Client, LocalCluster
    except ImportError:
        raise HflowError('translate.engine is dask, which is not installed: `uv pip install "hflow[dask]"`') from None
    if params.scheduler:
        try:
            client = Client(params.scheduler, timeout="30s")
        except (OSError, ValueError, TypeError) as error:  # TypeError: tls:// without a certificate
            raise HflowError(f"there is no Dask scheduler at {params.scheduler!r} ({error}): start it first") from None
        with client:
            yield DaskCluster(client, params)
        return
    if params.cluster:
        with started(params.cluster) as cluster, Client(cluster) as client:
            _wait_for_a_worker(client, params.cluster)
            yield DaskCluster(client, params)
        return
    with (
        LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        yield DaskCluster(client, params)


def _wait_for_a_worker(client: Any, params: ClusterParams) -> None:
    seconds = params.workers.wait
    try:
        client.wait_for_workers(1, timeout=seconds)
    except TimeoutError:
        raise HflowError(
            f"no worker of the cluster has come in {seconds} s: see what its jobs or pods say, or raise wait in "
            "translate.cluster"
        ) from None


@contextlib.contextmanager
def losses_named(address: str) -> Iterator[None]:
    """Tell apart what Dask raises while a result is waited for.

    Raises:
        LostWorkerError: Dask gave a shard up, its workers having died over it.
        LostSchedulerError: the scheduler is gone.
    """
    from distributed import KilledWorker

    try:
        yield
    except KilledWorker as error:
        raise LostWorkerError(str(error)) from None
    except CancelledError:  # of every result that is waited for, once the connection is closed
        raise LostSchedulerError(
            f"the Dask scheduler at {address} was lost: start it and its workers again, and run the same command "
            "again: what is finished is kept"
        ) from None


def translate_on_worker(task: ShardTask, device: str) -> Finished:
    """Translate a shard in a worker, on its device."""
    return translate_here(task, str(_place(device)))


def _marks_there(device: str, threads: int | None, precision: Precision) -> WorkerMarks:
    return worker_marks(_place(device), threads, precision)


def _place(device: str) -> torch.device:
    """The device of this name; of several GPUs, workers of a cluster on this machine take one each, by their number."""
    from distributed import get_worker

    worker = get_worker()
    if worker.state.nthreads != 1:
        raise HflowError(
            f"the Dask worker {worker.name} takes {worker.state.nthreads} shards at once, and a device does one: "
            "start it with --nthreads 1"
        )
    found = pick_device(device)
    if found.type != "cuda" or found.index is not None or not str(worker.name).isdigit():
        return found
    return torch.device("cuda", int(worker.name) % torch.cuda.device_count())
