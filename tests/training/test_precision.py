"""Where a training runs is what the section train and torchrun say, whatever job it is part of."""

import stat
import warnings
from pathlib import Path

import pytest

from hflow.foundation.params import TrainParams
from hflow.training.precision import training_fabric


def test_in_a_job_of_slurm_a_training_is_one_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    srun = tmp_path / "srun"
    srun.touch()
    srun.chmod(srun.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with warnings.catch_warnings(action="error"):
        assert training_fabric(TrainParams(steps=1, accelerator="cpu")).world_size == 1
    for name, value in {"SLURM_NTASKS": "2", "SLURM_JOB_NAME": "hflow", "SLURM_PROCID": "1"}.items():
        monkeypatch.setenv(name, value)
    fabric = training_fabric(TrainParams(steps=1, accelerator="cpu"))
    assert (fabric.world_size, fabric.global_rank) == (1, 0)
