"""The engine that params.yaml names."""

import contextlib
from collections.abc import Iterator

import torch

from hflow.foundation.devices import most_alike, pick_device
from hflow.foundation.errors import HflowError
from hflow.foundation.params import TranslateParams
from hflow.foundation.progress import say
from hflow.translation.engines.base import Engine
from hflow.translation.engines.dask import open_cluster
from hflow.translation.engines.in_process import InProcess
from hflow.translation.engines.processes import Processes
from hflow.translation.shard_task import worker_marks

__all__ = ["devices_of", "open_engine"]


@contextlib.contextmanager
def open_engine(params: TranslateParams) -> Iterator[Engine]:
    """The engine that the section `translate` of params.yaml names.

    Raises:
        HflowError: a device, the scheduler or a cluster is not there, or Dask is not installed.
    """
    if params.engine == "dask":
        with open_cluster(params, 0 if params.scheduler or params.cluster else len(devices_of(params))) as cluster:
            yield cluster
        return
    devices = devices_of(params)
    marks = worker_marks(devices[0], params.threads, params.precision)
    if len(devices) == 1:
        yield InProcess(devices[0], marks)
        return
    with contextlib.closing(Processes(devices, marks)) as processes:
        yield processes


def devices_of(params: TranslateParams) -> list[torch.device]:
    """The devices of this machine that `params` name, a process each; of several GPUs those of one model.

    Raises:
        HflowError: there are not so many.
    """
    first = pick_device(params.device)
    if first.type != "cuda" or first.index is not None:
        return [first] * (1 if params.devices == "all" else params.devices)
    if params.devices == 1:
        return [torch.device("cuda", 0)]
    names = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
    # Other models give other bytes.
    alike = most_alike(names)
    count = len(alike) if params.devices == "all" else params.devices
    if count > len(alike):
        raise HflowError(
            f"translate.devices is {count}, and there are {len(alike)} GPUs of one model here ({', '.join(names)}): "
            "lower it, or set it to all"
        )
    unused = [f"cuda:{number} ({name})" for number, name in enumerate(names) if number not in alike]
    if unused and params.devices == "all":
        say(
            f"not used, being of another model than the {count} others: {', '.join(unused)}; translate.device names one"
        )
    return [torch.device("cuda", number) for number in alike[:count]]
