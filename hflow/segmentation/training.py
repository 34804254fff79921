"""Training and scoring of a segmentation network."""

import math
import os
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import Dataset

from hflow.datasets.loading import load_batches
from hflow.foundation.errors import HflowError
from hflow.foundation.labels import IGNORE
from hflow.foundation.params import Workers
from hflow.foundation.progress import progress
from hflow.metrics.segmentation import confusion_matrix, segment_scores
from hflow.segmentation.labelled_frames import LabelledFrames, normalised, train_ids

__all__ = ["score_segmenter", "train_segmenter"]

CURVE_POINTS = 20
MAX_LOADERS = 8


def train_segmenter(
    network: nn.Module,
    samples: Dataset[tuple[Tensor, Tensor]],
    *,
    steps: int,
    batch_size: int,
    learning_rate: float,
    title: str,
    advice: str,
    workers: Workers = "auto",
    average: float = 0.0,
) -> list[list[float]]:
    """Train a segmentation network where it is, and give its learning curve: [step, mean loss since the last point].

    Args:
        samples: `steps` times `batch_size` of them, as `Crops` gives them.
        steps: of AdamW with a learning rate that falls to zero.
        title: what the progress and an error call it.
        advice: what to do when the loss is no longer finite.
        workers: processes that load samples; "auto" takes up to eight beside a GPU, and loads in this one on a CPU.
        average: the share that the average of the weights keeps at each step; the network ends as that average. 0
            leaves it as the last step does.

    Raises:
        HflowError: the loss is no longer finite, or no pixel has a class.
    """
    network.train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=learning_rate, fused=True)
    decay = torch.optim.lr_scheduler.PolynomialLR(optimizer, total_iters=steps, power=0.9)
    every = math.ceil(steps / CURVE_POINTS)
    device = next(network.parameters()).device
    averaged = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(average), use_buffers=True) if average else None
    curve: list[list[float]] = []
    losses: list[float] = []
    learned_from = 0
    with progress(title, steps, unit="steps") as advance:
        for step, (images, labels) in enumerate(_batches(samples, batch_size, device, workers), start=1):
            logits = network(images)["out"]  # (B, K, H, W)
            labelled = int((labels != IGNORE).sum())
            # A batch without a labelled pixel has a loss of 0, where a mean would have none.
            loss = F.cross_entropy(logits, labels, ignore_index=IGNORE, reduction="sum") / max(1, labelled)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            decay.step()
            if averaged:
                averaged.update_parameters(network)
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
    if averaged:
        network.load_state_dict(averaged.module.state_dict())
    return curve


@torch.no_grad()
def score_segmenter(network: nn.Module, frames: LabelledFrames, device: torch.device, title: str) -> dict[str, Any]:
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


def _batches(
    samples: Dataset[tuple[Tensor, Tensor]], batch_size: int, device: torch.device, workers: Workers
) -> Iterator[tuple[Tensor, Tensor]]:
    """Every batch of a training, images (B, 3, H, W) and train ids (B, H, W), on the device."""
    on_gpu = device.type == "cuda"
    beside_gpu = min(MAX_LOADERS, os.cpu_count() or 1) if on_gpu else 0
    loaders = beside_gpu if workers == "auto" else workers
    for images, labels in load_batches(
        samples, batch_size, workers=loaders, parameter="segment.workers", pin_memory=on_gpu
    ):
        images = images.to(device, non_blocking=True, memory_format=torch.channels_last)
        yield images, labels.to(device, non_blocking=True)
