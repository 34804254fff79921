"""Loading processes give the same batches, and their faults are errors of one line."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.data import Dataset

from hflow.datasets.loading import load_batches
from hflow.foundation.errors import HflowError

ROOT = Path(__file__).parents[2]


class Numbers(Dataset[Any]):
    """Sample `i` is of the number i; the third is at fault where a fault is given."""

    def __init__(self, length: int, fault: Exception | None = None, side: int = 1):
        self.length, self.fault, self.side = length, fault, side

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        if self.fault and index == 3:
            raise self.fault
        return torch.full((self.side, self.side), float(index)), torch.tensor(index)


def load(samples: Dataset[Any], workers: int) -> list[list[int]]:
    batches = load_batches(samples, 2, workers=workers, parameter="train.workers", pin_memory=False)
    return [numbers.tolist() for _, numbers in batches]


def _said(place: Path, script: str, *arguments: str, **environment: str) -> str:
    (place / "script.py").write_text(script)
    done = subprocess.run(
        [sys.executable, str(place / "script.py"), *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_come_in_order(workers: int) -> None:
    assert load(Numbers(6), workers) == [[0, 1], [2, 3], [4, 5]]


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("fault", [HflowError("x.parquet is damaged"), FileNotFoundError(2, "No such file", "x.png")])
def test_the_fault_of_a_sample_is_the_same_error_whoever_loads_it(fault: Exception, workers: int) -> None:
    with pytest.raises(type(fault)) as caught:
        load(Numbers(6, fault), workers)
    assert str(caught.value) == str(fault)


FULL = """
import resource, sys
import torch
from hflow.datasets.loading import load_batches
from hflow.foundation.errors import HflowError
from tests.datasets.test_loading import Numbers

def stack(samples):
    return tuple(torch.stack(tensors) for tensors in zip(*samples))

if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))  # of a file in shared memory too
    samples, own = Numbers(6, side=1000), {"collate": stack} if sys.argv[1] == "own" else {}
    try:
        list(load_batches(samples, 2, workers=1, parameter="train.workers", pin_memory=False, **own))
    except HflowError as error:
        print(error)
"""


@pytest.mark.parametrize("collate", ["default", "own"])
def test_too_little_shared_memory_is_said_and_hangs_nobody(tmp_path: Path, collate: str) -> None:
    said = _said(tmp_path, FULL, collate)
    assert said.startswith("/dev/shm is too small for the batches of 1 loading processes: ")
    assert said.endswith("MiB are free; give it more (in Docker --shm-size=2g), or set train.workers to 0\n")


LONG = """
from hflow.foundation.errors import HflowError
from tests.datasets.test_loading import Numbers, load

if __name__ == "__main__":
    try:
        load(Numbers(6), 1)
    except HflowError as error:
        print(error)
"""


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="from Python 3.14 on, sockets lie elsewhere then")
def test_a_long_folder_for_temporary_files_is_named(tmp_path: Path) -> None:
    place = tmp_path / ("x" * 100)
    place.mkdir()
    said = _said(tmp_path, LONG, TMPDIR=str(place))
    assert said.startswith("the path in TMPDIR is too long for the sockets of loading processes: ")
