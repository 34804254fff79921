"""The stage segment: a segmentation network trained on a dataset, scored on the target's validation set.

The score answers whether a translated dataset is worth training on: everything but the training set stays the same.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import torch

from hflow.datasets.shard_records import shard_hashes
from hflow.datasets.training_sets import TrainingSet, set_sha256
from hflow.foundation.atomic_files import write_json
from hflow.foundation.atomic_folders import publish
from hflow.foundation.code_fingerprint import code_fingerprint
from hflow.foundation.devices import machine_marks, pick_device
from hflow.foundation.errors import HflowError
from hflow.foundation.finished_work import WorkFolder
from hflow.foundation.hashes import fingerprint
from hflow.foundation.params import SegmentParams
from hflow.segmentation.judge import judge_files, weights_file
from hflow.segmentation.labelled_frames import Crops, LabelledFrames
from hflow.segmentation.networks import segmentation_network
from hflow.segmentation.pseudo_labels import label_counts, pseudo_labelled_dataset
from hflow.segmentation.self_training import self_train
from hflow.segmentation.training import score_segmenter, train_segmenter

__all__ = ["segment"]


def segment(
    params: SegmentParams,
    *,
    training_set: TrainingSet,
    validation: Sequence[Path],
    photographs: Sequence[Path] = (),
    classes: Sequence[str],
    out: Path,
    work: Path,
    network: Path | None = None,
) -> dict[str, Any]:
    """Train on a set once a seed, score each network on the validation set, and write the scores.

    Args:
        params: the section segment of params.yaml.
        training_set: shards with the columns key, image and label_train_ids; rows without a label are passed over.
        validation: shards of the target's validation set, with the same columns.
        photographs: shards of the target's training images, for self-training; labels in them are not read.
        classes: the class names; a name's place is its train id.
        out: the JSON file to write.
        work: where finished seeds are kept, so that a run that was stopped goes on with the next one.
        network: the folder that gets the first seed's network, as `load_judge` reads it, and, in pseudo-labels/, a
            dataset of the photographs with the labels that the segmenters gave them last.

    Returns:
        What is written to `out`: mIoU, pxAcc, clsAcc and IoU by class, fractions in [0, 1] of whole validation frames,
        each the mean over the seeds; the same for each seed with its learning curve; the hash of the first seed's
        network; the protocol; hashes of what they were made from; and, where params.self_training asks for it,
        "self_training", the same scores after it and the share of the photographs' pixels that got a label. A class's
        IoU is None where it occurs neither in the truth nor in a prediction. On one CPU the same data, parameters and
        number of threads give the same bytes; a GPU adds up in no fixed order, so there scores vary a little.

    Raises:
        HflowError: a set has no frames with labels, a parameter is at fault, or the loss is no longer finite.
    """
    if not training_set.files:
        raise HflowError(f"the training set {training_set.name} has no shards: run the stage that makes it again")
    training, held_out = LabelledFrames(training_set.files, classes), LabelledFrames(validation, classes)
    if not len(training):
        raise HflowError(
            f"the training set {training_set.name} has no labels: give it labels, or take it out of segment.train_on"
        )
    if not len(held_out):
        raise HflowError(
            "the target has no labelled validation set (data.target.val): give one, or set segment.train_on to []"
        )
    if params.self_training and not photographs:
        raise HflowError("segment.self_training needs photographs, and the target has no training images")
    device = pick_device(params.device)
    training_hashes, validation_hashes = list(training_set.shards.values()), shard_hashes(validation)
    code = code_fingerprint(segment)
    depends_on = {
        "code": code,
        "params": params.model_dump(mode="json", exclude={"train_on", "seeds", "device", "workers", "self_training"}),
        "training": training_hashes,
        "validation": validation_hashes,
        "classes": list(classes),
        "machine": machine_marks(device),
    }
    folder = WorkFolder(work)
    trained = []
    for number, seed in enumerate(params.seeds):
        kept = number == 0 or params.self_training is not None
        with_weights, without = (fingerprint({**depends_on, "seed": seed, "weights": w}) for w in (True, False))

        def make(path: Path, seed: int = seed, keep: bool = kept) -> dict[str, Any]:
            torch.manual_seed(seed)
            segmenter = segmentation_network(params.network, len(classes), imagenet=params.weights == "imagenet")
            segmenter = segmenter.to(device)
            curve = train_segmenter(
                segmenter,
                Crops(training, seed=seed, length=params.steps * params.batch_size),
                steps=params.steps,
                batch_size=params.batch_size,
                learning_rate=params.learning_rate,
                title=f"segment {training_set.name}, seed {seed}",
                advice=f"lower segment.learning_rate ({params.learning_rate})",
                workers=params.workers,
            )
            scores = score_segmenter(segmenter, held_out, device, f"score {training_set.name}, seed {seed}")
            path.write_bytes(weights_file(segmenter) if keep else b"")
            return {"seed": seed, **scores, "curve": curve}

        finished = folder.find(with_weights) or folder.obtain(with_weights if kept else without, make)
        trained.append(finished)
    runs, weights = [dict(piece.note) for piece in trained], trained[0]
    result = {
        "train_on": training_set.name,
        **_means(runs, classes),
        "network_sha256": weights.sha256,
        "protocol": {
            "steps": params.steps,
            "batch_size": params.batch_size,
            "learning_rate": params.learning_rate,
            "network": params.network,
            "weights": params.weights,
            "size": list(training.size),
            "training_frames": len(training),
            "validation_frames": len(held_out),
            "validation_sha256": fingerprint(validation_hashes),
            "classes": list(classes),
        },
        "made_from": {**training_set.made_from, "training_set": set_sha256(training_hashes), "code": code},
    }
    labelled: AbstractContextManager[Mapping[str, Path | bytes]] = nullcontext({})
    if params.self_training:
        after = self_train(
            params,
            params.self_training,
            trained,
            title=training_set.name,
            frames=training,
            photographs=photographs,
            held_out=held_out,
            device=device,
            depends_on=depends_on,
            folder=folder,
        )
        result["self_training"] = {
            **_means(after.runs, classes),
            **label_counts(after.labels),
            "protocol": params.self_training.model_dump(mode="json"),
            "photographs_sha256": set_sha256(shard_hashes(photographs)),
        }
        labelled = pseudo_labelled_dataset(
            after.labels,
            classes,
            work=work,
            model=f"segmenters trained on {training_set.name}",
            teachers=after.teachers,
            params=fingerprint([depends_on["params"], params.self_training.model_dump(mode="json")]),
            code=code,
        )
    if network:
        with labelled as dataset:
            files = judge_files(weights.path, params.network, classes)
            publish(files | {f"pseudo-labels/{name}": content for name, content in dataset.items()}, network)
    write_json(out, result)
    return result


def _means(runs: Sequence[Mapping[str, Any]], classes: Sequence[str]) -> dict[str, Any]:
    return {
        **{key: _mean([run[key] for run in runs]) for key in ("mIoU", "pxAcc", "clsAcc")},
        "IoU": {name: _mean([run["IoU"][name] for run in runs]) for name in classes},
        "seeds": list(runs),
    }


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
