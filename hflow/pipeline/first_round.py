"""The first of two rounds: labels of the target's photographs, by a segmenter that learned from translated frames.

Without labels of the target the network is trained on whole pictures first. What it translates has the frames' labels,
a segmenter learns from these frames, and where it is sure its guesses are the labels by which the second round compares
class by class.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hflow.datasets.shards import shard_files
from hflow.foundation.devices import pick_device
from hflow.foundation.errors import HflowError
from hflow.foundation.locks import exclusive
from hflow.foundation.params import LossParams, Params
from hflow.model.store import load_model
from hflow.pipeline.disk_needs import where_room_is
from hflow.pipeline.outputs import PREPARED, work_folder
from hflow.segmentation.judge import Judge, save_judge
from hflow.segmentation.judge_training import train_judge
from hflow.segmentation.pseudo_labels import label_shards
from hflow.training.loop import train
from hflow.translation.dataset import translate_dataset
from hflow.translation.engines.running import translate_shards

__all__ = ["label_by_first_round"]

UNLOOKED_AT = {
    "class_colours": False,
    "judge": None,
    "min_consistency": 0.0,
    "reject": None,
    "style": "random",
    "strength": 1.0,
    "styles": 1,
}
"""Of the section translate, for frames that nobody gets."""


def label_by_first_round(params: Params, out: Path) -> dict[str, Any]:
    """Train, translate, train a segmenter on raw and translated frames, and label the target's training images by it.

    The trainings are those of the sections train and segment, without measurements; the loss compares whole pictures.
    Stopped, training and translation go on where they were; the segmenter begins again, and the labels go on where it
    comes out the same.

    Args:
        params: all of params.yaml.
        out: the folder to write, as `label_shards` does.

    Returns:
        The number of images, and the share of their pixels that got a label.

    Raises:
        HflowError: there is nothing prepared, the frames have no labels, a training fails, or another process is at
            its first round.
    """
    # What lies in its work folder has no fingerprint: two of them would read each other's model and frames.
    with exclusive(work_folder("first_round")):
        return _label(params, out)


def _label(params: Params, out: Path) -> dict[str, Any]:
    source, target = (shard_files(PREPARED / domain / "train") for domain in ("source", "target"))
    if not source or not target:
        raise HflowError("nothing is prepared of the frames or of the target: run `hflow prepare` first")
    work = work_folder("first_round")
    made = train(
        params.model,
        params.encoder,
        _whole_pictures(params.loss),
        params.train.model_copy(update={"measure_every": 0, "judge": None, "keep": "last"}),
        source=source,
        target=target,
        out=work / "model",
        plots=work / "plots",
        work=work_folder("train"),
    )
    translate_dataset(
        load_model(made.folder),
        params.translate.model_copy(update=UNLOOKED_AT),
        prepared=PREPARED,
        out=work / "translated",
        sets=work / "sets",
        work=work_folder("translate"),
        run=where_room_is(translate_shards),
    )
    segmenter = _segmenter(params, [*source, *shard_files(work / "translated" / "train")], work / "segmenter")
    return label_shards(
        segmenter,
        target,
        out,
        by="the segmenter of the first round",
        threshold=params.loss.label_threshold,
        work=work_folder("label"),
        device=pick_device(params.segment.device),
    )


def _whole_pictures(loss: LossParams) -> LossParams:
    return loss.model_copy(update={"regions": "none", "target_labels": None, "source_labels": None})


def _segmenter(params: Params, shards: Sequence[Path], folder: Path) -> Judge:
    """The downstream network, of its first seed."""
    segment = params.segment
    device = pick_device(segment.device)
    trained = train_judge(
        shards,
        params.data.classes,
        steps=segment.steps,
        batch_size=segment.batch_size,
        learning_rate=segment.learning_rate,
        seed=segment.seeds[0],
        device=device,
        name=segment.network,
        imagenet=segment.weights == "imagenet",
        workers=segment.workers,
    )
    return save_judge(trained, folder)
