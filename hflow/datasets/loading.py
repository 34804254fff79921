"""Samples loaded by processes beside the one that trains."""

from collections.abc import Callable
from typing import Any

from torch.utils.data import DataLoader, Dataset

__all__ = ["load_batches"]


def load_batches(
    samples: Dataset[Any],
    batch_size: int,
    *,
    workers: int,
    pin_memory: bool,
    collate: Callable[[Any], Any] | None = None,
) -> DataLoader[Any]:
    """The batches of a dataset, in order.

    Args:
        samples: what can be pickled.
        workers: processes that load; 0 loads in this one.
        pin_memory: for a GPU.
        collate: makes a batch of samples; None stacks them.
    """
    # Not forked: a forked process has the exit hooks of Prefect without its threads, and ends with an error.
    context = "forkserver" if workers else None
    return DataLoader(
        samples,
        batch_size,
        num_workers=workers,
        pin_memory=pin_memory,
        collate_fn=collate,
        multiprocessing_context=context,
    )
