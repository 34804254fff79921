"""A training is known by what its weights depend on, and by nothing else."""

import shutil
from pathlib import Path
from typing import Any

from hflow.datasets.shards import shard_files
from hflow.foundation.params import EncoderParams, LossParams, ModelParams, TrainParams
from hflow.segmentation.judge import Judge, save_judge
from hflow.segmentation.networks import segmentation_network
from hflow.training.job import TrainingJob, training_fingerprint
from hflow.training.precision import training_fabric
from tests.conftest import CLASSES, Project


def _fingerprint(project: Project, loss: dict[str, Any], train: dict[str, Any]) -> str:
    params = TrainParams.model_validate({"steps": 2, "measure_every": 1, "accelerator": "cpu", **train})
    source, target = (shard_files(project.prepared / domain / "train") for domain in ("source", "target"))
    settings = LossParams.model_validate({"regions": "labels", **loss})
    job = TrainingJob(ModelParams(), EncoderParams(), settings, params, source, target, [], Path())
    return training_fingerprint(job, training_fabric(params), "code")


def test_where_labels_and_a_judge_come_from_makes_no_other_training(project: Project, tmp_path: Path) -> None:
    network = segmentation_network("lraspp_mobilenet_v3_large", len(CLASSES))
    save_judge(Judge(network.eval(), "lraspp_mobilenet_v3_large", CLASSES), tmp_path / "judge")
    shutil.copytree(tmp_path / "judge", tmp_path / "moved")
    labels = {"target_labels": "data/first_round", "source_labels": "models/given/frames", "label_threshold": 0.5}
    one = _fingerprint(project, {}, {"judge": str(tmp_path / "judge")})
    assert _fingerprint(project, labels, {"judge": str(tmp_path / "moved")}) == one
    assert len({one, _fingerprint(project, {}, {}), _fingerprint(project, {"colour": 1}, {})}) == 3
