"""What a plan says: few sizes of frames for a GPU's compiled network, the longest shard to be begun first."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from hflow.foundation.atomic_folders import publish
from hflow.foundation.params import TranslateParams
from hflow.model.hierarchy_flow import HierarchyFlow
from hflow.model.store import TrainedModel, load_model, model_files
from hflow.translation import plan as planning
from hflow.translation.camera import Camera
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


def test_a_new_guide_takes_no_shard_of_the_model_without_it(
    project: Project, model: TrainedModel, tmp_path: Path
) -> None:
    guided = HierarchyFlow(model.network.expansions, guide=8)
    guided.load_state_dict(model.network.state_dict())
    marks = worker_marks(CPU, None, "fp32")

    def planned(network: HierarchyFlow) -> set[str]:
        publish(dict(model_files(network, model.styles, {})), tmp_path / "model")
        plan = planning.plan_translation(
            load_model(tmp_path / "model"), TranslateParams(), marks, prepared=project.prepared, work=tmp_path / "work"
        )
        return {task.fingerprint for task in plan.tasks}

    assert planned(model.network).isdisjoint(planned(guided))


def test_further_styles_take_the_shards_of_the_first_as_they_are(
    project: Project, model: TrainedModel, tmp_path: Path
) -> None:
    marks = worker_marks(CPU, None, "fp32")
    plans = [
        planning.plan_translation(
            model, TranslateParams(styles=styles), marks, prepared=project.prepared, work=tmp_path
        ).fingerprint
        for styles in (1, 3)
    ]
    assert plans[0] == plans[1]


def test_a_worker_in_another_folder_finds_the_judge(
    project: Project, model: TrainedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    marks, judge = worker_marks(CPU, None, "fp32"), Path("models/given/judge")
    known = SimpleNamespace(sha256="1", classes=("road",))
    monkeypatch.setattr(planning, "load_judge", lambda folder: known if folder == judge else None)
    plan = planning.plan_translation(
        model, TranslateParams(judge=judge), marks, prepared=project.prepared, work=tmp_path
    )
    assert plan.recipe.params.judge == judge.absolute()


def test_workers_read_the_camera_that_the_plan_read(project: Project, model: TrainedModel, tmp_path: Path) -> None:
    marks, params = worker_marks(CPU, None, "fp32"), TranslateParams(camera=True)
    for noise in (2.0, 4.0):
        camera = Camera(noise=noise)
        taking = replace(model, config={**model.config, "camera": camera.settings})
        plan = planning.plan_translation(taking, params, marks, prepared=project.prepared, work=tmp_path)
        assert Camera.of(load_model(plan.recipe.model).config) == camera
