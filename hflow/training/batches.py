"""Pairs as batches, each process's share of them, from any step on."""

from collections.abc import Iterator, Sequence

import torch
from lightning.fabric import Fabric
from torch import Tensor
from torch.utils.data import Subset

from hflow.datasets.loading import load_batches
from hflow.datasets.pairs import Pairs
from hflow.foundation.errors import HflowError
from hflow.foundation.params import TrainParams

__all__ = ["training_batches"]


def training_batches(fabric: Fabric, pairs: Pairs, params: TrainParams, step: int) -> Iterator[tuple[Tensor, ...]]:
    """From `step` on, this process's part of every batch; all processes together see pairs step * B to step * B + B."""
    share = params.batch_size // fabric.world_size
    mine = [
        s * params.batch_size + fabric.global_rank * share + i for s in range(step, params.steps) for i in range(share)
    ]
    on_gpu = fabric.device.type == "cuda"
    for batch in load_batches(
        Subset(pairs, mine),
        share,
        workers=params.workers,
        parameter="train.workers",
        pin_memory=on_gpu,
        collate=_collate,
    ):
        yield fabric.to_device(batch)


def _collate(pairs: Sequence[tuple[Tensor, ...]]) -> tuple[Tensor, ...]:
    parts = list(zip(*pairs, strict=True))
    for images in parts:
        if len({image.shape for image in images}) > 1:
            raise HflowError("the images of a batch differ in size: set train.size or train.crop, or batch_size to 1")
    return tuple(torch.stack(images) for images in parts)  # (B, 3, H, W), and train ids, (B, H, W)
