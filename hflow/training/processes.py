"""The processes of a training on several devices."""

import multiprocessing
from collections.abc import Callable, Mapping
from functools import partial
from multiprocessing.connection import Connection
from multiprocessing.queues import SimpleQueue

import torch
from lightning.fabric import Fabric
from torch import Tensor
from torch.multiprocessing import ProcessExitedException

from hflow.foundation.atomic_files import writing_fault
from hflow.foundation.errors import HflowError
from hflow.foundation.lifeline import end_with

__all__ = ["mean_over_processes", "run_in_processes"]


def run_in_processes(fabric: Fabric, work: Callable[[Fabric], None]) -> None:
    """Do the work in a process for each of the fabric's devices; they end with this one, however that ends.

    Raises:
        HflowError: one of them has raised it, couldn't write, or was lost.
    """
    context = multiprocessing.get_context("spawn")
    end, lifeline = context.Pipe(duplex=False)
    faults: SimpleQueue[str] = context.SimpleQueue()
    # Closing the lifeline ends processes that are still at work: Python would wait for them before it exits.
    with end, lifeline:
        try:
            fabric.launch(partial(_process, work=work, lifeline=end, faults=faults))
        except Exception as error:
            # What one process raises makes the others fail too, in words of their own.
            if not faults.empty():
                raise HflowError(faults.get()) from None
            if isinstance(error, ProcessExitedException):
                how = error.signal_name or f"exit status {error.exit_code}"
                raise HflowError(
                    f"process {error.error_index} of the training was lost ({how}): see whether memory was short, and "
                    "run the same command again: it goes on from the last checkpoint"
                ) from None
            raise


def mean_over_processes(fabric: Fabric, losses: Mapping[str, Tensor]) -> dict[str, float]:
    """The losses as numbers, the mean over all processes."""
    means = fabric.all_reduce(torch.stack([value.detach().float() for value in losses.values()]), reduce_op="mean")
    assert isinstance(means, Tensor)
    return dict(zip(losses, means.tolist(), strict=True))


def _process(
    fabric: Fabric, *, work: Callable[[Fabric], None], lifeline: Connection, faults: "SimpleQueue[str]"
) -> None:
    end_with(lifeline)
    try:
        work(fabric)
    except HflowError as error:
        faults.put(str(error))
        raise
    except OSError as error:
        fault = writing_fault(error)
        if fault:
            faults.put(fault)
        raise
