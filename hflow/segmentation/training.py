"""The stage segment: a segmentation network trained on a dataset, scored on the target's validation set.

The score answers whether a translated dataset is worth training on: everything but the training set stays the same.
"""

import math
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hflow.datasets.loading import load_batches
from hflow.datasets.training_sets import TrainingSet, set_sha256
from hflow.foundation.atomic_files import write_json
from hflow.foundation.atomic_folders import publish
from hflow.foundation.code_fingerprint import code_fingerprint
from hflow.foundation.devices import machine_marks, pick_device
from hflow.foundation.errors import HflowError
from hflow.foundation.finished_work import WorkFolder
from hflow.foundation.hashes import fingerprint, sha256_file
from hflow.foundation.labels import IGNORE
from hflow.foundation.params import SegmentParams, Workers
from hflow.foundation.progress import progress
from hflow.metrics.segmentation import confusion_matrix, segment_scores
from hflow.segmentation.judge import judge_files, weights_file
from hflow.segmentation.labelled_frames import Crops, LabelledFrames, normalised, train_ids
from hflow.segmentation.networks import segmentation_network

__all__ = ["segment", "train_segmenter"]

CURVE_POINTS = 20
MAX_LOADERS = 8


def segment(
    params: SegmentParams,
    *,
    training_set: TrainingSet,
    validation: Sequence[Path],
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
        classes: the class names; a name's place is its train id.
        out: the JSON file to write.
        work: where finished seeds are kept, so that a run that was stopped goes on with the next one.
        network: the folder that gets the first seed's network, as `load_judge` reads it.

    Returns:
        What is written to `out`: mIoU, pxAcc, clsAcc and IoU by class, fractions in [0, 1] of whole validation frames,
        each the mean over the seeds; the same for each seed with its learning curve; the hash of the first seed's
        network; the protocol; and hashes of what they were made from. A class's IoU is None where it occurs neither in
        the truth nor in a prediction. On one CPU the same data, parameters and number of threads give the same bytes; a
        GPU adds up in no fixed order, so there scores vary a little.

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
    device = pick_device(params.device)
    training_hashes, validation_hashes = ([sha256_file(p) for p in files] for files in (training_set.files, validation))
    code = code_fingerprint(segment)
    depends_on = {
        "code": code,
        "params": params.model_dump(mode="json", exclude={"train_on", "seeds", "device", "workers"}),
        "training": training_hashes,
        "validation": validation_hashes,
        "classes": list(classes),
        "machine": machine_marks(device),
    }
    folder = WorkFolder(work)
    runs = []
    for number, seed in enumerate(params.seeds):
        first = number == 0
        with_weights, without = (fingerprint({**depends_on, "seed": seed, "weights": kept}) for kept in (True, False))

        def make(path: Path, seed: int = seed, keep: bool = first) -> dict[str, Any]:
            torch.manual_seed(seed)
            segmenter = segmentation_network(params.network, len(classes), imagenet=params.weights == "imagenet")
            segmenter = segmenter.to(device)
            curve = train_segmenter(
                segmenter,
                training,
                steps=params.steps,
                batch_size=params.batch_size,
                learning_rate=params.learning_rate,
                seed=seed,
                title=f"segment {training_set.name}, seed {seed}",
                advice=f"lower segment.learning_rate ({params.learning_rate})",
                workers=params.workers,
            )
            scores = _score(segmenter, held_out, device, f"score {training_set.name}, seed {seed}")
            path.write_bytes(weights_file(segmenter) if keep else b"")
            return {"seed": seed, **scores, "curve": curve}

        finished = folder.find(with_weights) or folder.obtain(with_weights if first else without, make)
        runs.append(dict(finished.note))
        if first:
            weights = finished
    result = {
        "train_on": training_set.name,
        **{key: _mean([run[key] for run in runs]) for key in ("mIoU", "pxAcc", "clsAcc")},
        "IoU": {name: _mean([run["IoU"][name] for run in runs]) for name in classes},
        "seeds": runs,
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
    if network:
        publish(judge_files(weights.path, params.network, classes), network)
    write_json(out, result)
    return result


def train_segmenter(
    network: nn.Module,
    frames: LabelledFrames,
    *,
    steps: int,
    batch_size: int,
    learning_rate: float,
    seed: int,
    title: str,
    advice: str,
    workers: Workers = "auto",
) -> list[list[float]]:
    """Train a segmentation network where it is, and give its learning curve: [step, mean loss since the last point].

    Args:
        steps: of AdamW with a learning rate that falls to zero, on `Crops` of the frames.
        seed: of the crops.
        title: what the progress and an error call it.
        advice: what to do when the loss is no longer finite.
        workers: processes that load crops; "auto" takes up to eight beside a GPU, and loads in this one on a CPU.

    Raises:
        HflowError: the loss is no longer finite, or no pixel has a class.
    """
    network.train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=learning_rate, fused=True)
    decay = torch.optim.lr_scheduler.PolynomialLR(optimizer, total_iters=steps, power=0.9)
    every = math.ceil(steps / CURVE_POINTS)
    device = next(network.parameters()).device
    crops = Crops(frames, seed=seed, length=steps * batch_size)
    curve: list[list[float]] = []
    losses: list[float] = []
    learned_from = 0
    with progress(title, steps, unit="steps") as advance:
        for step, (images, labels) in enumerate(_batches(crops, batch_size, device, workers), start=1):
            logits = network(images)["out"]  # (B, K, H, W)
            labelled = int((labels != IGNORE).sum())
            # A batch without a labelled pixel has a loss of 0, where a mean would have none.
            loss = F.cross_entropy(logits, labels, ignore_index=IGNORE, reduction="sum") / max(1, labelled)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            decay.step()
            learned_from += labelled
            losses.append(loss.item())
            if not math.isfinite(losses[-1]):
                raise HflowError(f"{title}: the loss is {losses[-1]} at step {step}: {advice}")
            if step % every == 0 or step == steps:
                curve.append([step, sum(losses) / len(losses)])
                losses = []
            advance(1, f"loss {loss.item():.3g}")
    if not learned_from:
        raise HflowError(f"{title}: the labels hold none of the classes in data.classes: correct one of them")
    return curve


@torch.no_grad()
def _score(network: nn.Module, frames: LabelledFrames, device: torch.device, title: str) -> dict[str, Any]:
    """Scores of whole frames, one by one since they may differ in size, from one confusion matrix."""
    network.eval()
    classes = frames.classes
    confusion = torch.zeros(len(classes), len(classes), dtype=torch.int64)
    with progress(title, len(frames), unit="frames") as advance:
        for pixels, ids in frames:
            logits = network(normalised(pixels)[None].to(device))["out"]  # (1, K, H, W)
            confusion += confusion_matrix(logits[0].argmax(0).cpu(), train_ids(ids), len(classes))
            advance()
    return segment_scores(confusion, classes)


def _batches(crops: Crops, batch_size: int, device: torch.device, workers: Workers) -> Iterator[tuple[Tensor, Tensor]]:
    """Every batch of a training, images (B, 3, H, W) and train ids (B, H, W), on the device."""
    on_gpu = device.type == "cuda"
    beside_gpu = min(MAX_LOADERS, os.cpu_count() or 1) if on_gpu else 0
    loaders = beside_gpu if workers == "auto" else workers
    for images, labels in load_batches(
        crops, batch_size, workers=loaders, parameter="segment.workers", pin_memory=on_gpu
    ):
        images = images.to(device, non_blocking=True, memory_format=torch.channels_last)
        yield images, labels.to(device, non_blocking=True)


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
