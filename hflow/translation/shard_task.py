"""What a worker is told: a shard, and all that it is translated with, as data that can go to another machine."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch

from hflow.foundation.devices import machine_marks, repeatable_kernels, torch_threads
from hflow.foundation.params import TranslateParams
from hflow.translation.translator import Backend, Precision, choose_backend

__all__ = ["Recipe", "ShardTask", "WorkerMarks", "worker_marks"]


class WorkerMarks(NamedTuple):
    """What of a worker can change a float: library, device and threads, and what a Translator there takes."""

    machine: tuple[Any, ...]
    precision: Precision
    backend: Backend

    @property
    def threads(self) -> int:
        """Of torch."""
        return int(self.machine[-1])


@dataclass(frozen=True)
class Recipe:
    """What every shard of a run is translated with.

    Attributes:
        model: a model's folder, which every worker can read.
        model_sha256: of that model, as `TrainedModel` has it.
        params: the section of params.yaml.
        marks: what `worker_marks` says of the worker the run was planned for; all must say the same.
        work: the folder for finished shards, which every worker can write.
        classes: of the labels; a name's place is its train id.
    """

    model: Path
    model_sha256: str
    params: TranslateParams
    marks: WorkerMarks
    work: Path
    classes: tuple[str, ...] = ()


@dataclass(frozen=True)
class ShardTask:
    """A shard to translate.

    Attributes:
        recipe: what it is translated with.
        split: train or val.
        path, sha256, rows: its file, the hash of that, and how many frames it holds.
        fingerprint: of the result.
    """

    recipe: Recipe
    split: str
    path: Path
    sha256: str
    rows: int
    fingerprint: str


def worker_marks(
    device: torch.device, threads: int | None, precision: Precision, backend: Backend = "auto"
) -> WorkerMarks:
    """The marks of a worker on a device: the one place where fingerprints get them from.

    Args:
        device: of the worker.
        threads: of torch; None leaves their number as it is.
        precision: translate.precision.
        backend: what its Translator is asked for.
    """
    with torch_threads(threads), repeatable_kernels():
        return WorkerMarks(tuple(machine_marks(device)), *choose_backend(device, precision, backend))
