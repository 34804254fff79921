"""The worker that does one shard."""

from pathlib import Path

import pytest
import torch

from hflow.foundation.errors import HflowError
from hflow.foundation.params import TranslateParams
from hflow.model.store import load_model
from hflow.translation.plan import plan_translation
from hflow.translation.shard_task import worker_marks
from hflow.translation.shard_worker import ShardWorker
from tests.conftest import Project


def test_a_worker_that_would_give_other_bytes_refuses(project: Project, model_folder: Path, tmp_path: Path) -> None:
    cpu = torch.device("cpu")
    marks = worker_marks(cpu, 1, "auto")._replace(machine=("another library", "cpu", 1))
    plan = plan_translation(
        load_model(model_folder), TranslateParams(), marks, prepared=project.prepared, work=tmp_path
    )
    with pytest.raises(HflowError, match=r"would give other bytes.*another library"):
        ShardWorker(plan.recipe, cpu)
