"""What one training is: its settings and data, and the fingerprint of all that its weights depend on."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lightning.fabric import Fabric

from hflow.datasets.shard_records import shard_hashes
from hflow.foundation.devices import machine_marks
from hflow.foundation.hashes import fingerprint, sha256_file
from hflow.foundation.params import EncoderParams, LossParams, ModelParams, TrainParams
from hflow.segmentation.judge import load_judge
from hflow.training.precision import training_precision

__all__ = ["TrainingJob", "training_fingerprint"]

CHANGE_NO_BYTE = {"workers", "log_every", "checkpoint_every", "accelerator", "precision", "judge"}
"""Of the section train: parameters that change no weight, or that are in the fingerprint by the machine, the precision
and the judge that they mean."""

LABELS = {"target_labels", "source_labels", "label_threshold"}
"""Of the section loss: where labels come from; they themselves are in the shards."""


@dataclass(frozen=True)
class TrainingJob:
    """All that one process of a training needs to know; `work` is where its checkpoints are."""

    model: ModelParams
    encoder: EncoderParams
    loss: LossParams
    params: TrainParams
    source: Sequence[Path]
    target: Sequence[Path]
    held_out: Sequence[Path]
    work: Path


def training_fingerprint(job: TrainingJob, fabric: Fabric, code: str) -> str:
    """Of everything the weights depend on: not how often something is logged, how many workers load, what auto is.

    Args:
        code: the fingerprint of the code that trains.
    """
    weights, judge = job.encoder.weights, job.params.judge
    return fingerprint(
        {
            "code": code,
            "model": [job.model.expansions, job.model.guide, job.model.adain, job.model.correction],
            "encoder": [job.encoder.name, sha256_file(weights) if weights else None],
            "loss": job.loss.model_dump(mode="json", exclude=LABELS),
            "train": job.params.model_dump(mode="json", exclude=CHANGE_NO_BYTE),
            "source": shard_hashes(job.source),
            "target": shard_hashes(job.target),
            "held_out": shard_hashes(job.held_out),
            "judge": load_judge(judge).sha256 if judge else None,
            "machine": [*machine_marks(fabric.device), training_precision(job.params)],
        }
    )
