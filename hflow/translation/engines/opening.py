"""The engine that params.yaml names."""

import contextlib
from collections.abc import Iterator

import torch

from hflow.foundation.devices import pick_device
from hflow.foundation.errors import HflowError
from hflow.foundation.params import TranslateParams
from hflow.translation.engines.base import Engine
from hflow.translation.engines.dask import open_cluster
from hflow.translation.engines.in_process import InProcess
from hflow.translation.engines.processes import Processes
from hflow.translation.shard_task import worker_marks

__all__ = ["open_engine"]


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
    marks = worker_marks(devices[0], params.threads, params.precision)
    if len(devices) == 1:
        yield InProcess(devices[0], marks)
        return
    with contextlib.closing(Processes(devices, marks)) as processes:
        yield processes


def _devices(params: TranslateParams) -> list[torch.device]:
    first = pick_device(params.device)
    if first.type != "cuda" or first.index is not None:
        return [first] * (1 if params.devices == "all" else params.devices)
    there = torch.cuda.device_count()
    count = there if params.devices == "all" else params.devices
    if count > there:
        raise HflowError(f"translate.devices is {count}, and there are {there} GPUs here: lower it, or set it to all")
    return [torch.device("cuda", number) for number in range(count)]
