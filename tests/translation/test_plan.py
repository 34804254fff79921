"""What a plan says: few sizes of frames for a GPU's compiled network, the longest shard to be begun first."""

from pathlib import Path

import pytest
import torch

from hflow.foundation.params import TranslateParams
from hflow.model.store import TrainedModel
from hflow.translation import plan as planning
from hflow.translation.engines.in_process import InProcess
from hflow.translation.shard_task import worker_marks
from tests.conftest import Project

CPU = torch.device("cpu")


def test_frames_of_too_many_sizes_are_translated_uncompiled(
    project: Project, model: TrainedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    params = TranslateParams(precision="fp32")
    marks = worker_marks(CPU, None, "fp32")._replace(backend="compiled")

    def planned() -> planning.Plan:
        return planning.plan_translation(model, params, marks, prepared=project.prepared, work=tmp_path)

    assert planned().recipe.marks == marks
    monkeypatch.setattr(planning, "MOST_SIZES", 0)
    plan = planned()
    assert plan.recipe.marks.backend == "whole"
    # The worker, whose own choice is another, does as the plan says.
    assert InProcess(CPU, marks).translate(plan.tasks[0], lambda _: None).note["rows"] > 0


def test_the_longest_shard_is_begun_first_and_none_is_left_out(
    project: Project, model: TrainedModel, tmp_path: Path
) -> None:
    marks = worker_marks(CPU, None, "fp32")
    plan = planning.plan_translation(
        model, TranslateParams(precision="fp32"), marks, prepared=project.prepared, work=tmp_path
    )
    rows = [task.rows for task in plan.longest_first]
    assert len(set(rows)) > 1, "the shards are all of one length"
    assert rows == sorted(rows, reverse=True)
    assert sorted(task.path for task in plan.longest_first) == sorted(task.path for task in plan.tasks)
