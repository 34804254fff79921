"""Samples loaded by processes beside the one that trains."""

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, default_collate, get_worker_info

from hflow.foundation.errors import HflowError

__all__ = ["load_batches"]

SHARED_MEMORY = Path("/dev/shm")


def load_batches(
    samples: Dataset[Any],
    batch_size: int,
    *,
    workers: int,
    parameter: str,
    pin_memory: bool,
    collate: Callable[[Any], Any] = default_collate,
) -> Iterator[Any]:
    """The batches of a dataset, in order.

    Args:
        samples: what can be pickled; a sample is a tuple of tensors, and so is a batch.
        workers: processes that load; 0 loads in this one.
        parameter: what the number of workers is called in params.yaml, for errors.
        pin_memory: for a GPU.
        collate: makes a batch of samples; what can be pickled.

    Raises:
        HflowError, OSError: a sample is at fault, as where this process loads it; loading processes find no room in
            shared memory, or no place for their sockets.
    """
    loader = DataLoader(
        _Guarded(samples),
        batch_size,
        num_workers=workers,
        pin_memory=pin_memory,
        collate_fn=_Collate(collate),
        # Not forked: a forked process has the exit hooks of Prefect without its threads, and ends with an error.
        multiprocessing_context="forkserver" if workers else None,
    )
    try:
        for batch in loader:
            if isinstance(batch, _Fault):
                raise batch.error
            yield batch
    except OSError as error:
        if "AF_UNIX path too long" not in str(error):
            raise
        raise HflowError(
            f"the path in TMPDIR is too long for the sockets of loading processes: set TMPDIR to a short one, as /tmp, "
            f"or {parameter} to 0"
        ) from None
    except RuntimeError as error:
        if not _lacks_shared_memory(error):
            raise
        room = shutil.disk_usage(SHARED_MEMORY)
        raise HflowError(
            f"{SHARED_MEMORY} is too small for the batches of {workers} loading processes: {room.free >> 20} of its "
            f"{room.total >> 20} MiB are free; give it more (in Docker --shm-size=2g), or set {parameter} to 0"
        ) from None


@dataclass(frozen=True)
class _Fault:
    """What went wrong in a loading process, in place of what it was to load."""

    error: HflowError | OSError


class _Guarded(Dataset[Any]):
    """Samples, or the fault in the place of one: torch hands on a traceback as an error's text."""

    def __init__(self, samples: Dataset[Any]):
        self._samples: Any = samples

    def __len__(self) -> int:
        return len(self._samples)

    def __getitem__(self, index: int) -> Any:
        try:
            return self._samples[index]
        except (HflowError, OSError) as error:
            return _Fault(error)


@dataclass(frozen=True)
class _Collate:
    """Makes a batch of samples, or hands on the first fault among them."""

    collate: Callable[[Any], Any]

    def __call__(self, samples: Sequence[Any]) -> Any:
        for sample in samples:
            if isinstance(sample, _Fault):
                return sample
        try:
            batch: Sequence[Tensor] = self.collate(samples)
        except HflowError as error:
            return _Fault(error)
        if get_worker_info() is not None:
            # Here, where an error is handed on: torch's thread that sends batches prints it, and nobody is told.
            for tensor in batch:
                tensor.share_memory_()
        return batch


def _lacks_shared_memory(error: RuntimeError) -> bool:
    text = str(error)
    return any(sign in text for sign in ("shared memory", "/torch_", "Bus error")) and not isinstance(
        error, torch.OutOfMemoryError
    )
