"""The images of a set in batches, each with the frame that it was made of, decoded on all cores before they are asked
for."""

import os
from collections.abc import Generator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from hflow.datasets.image_sets import Frame, ImageSet, fitted, match_keys
from hflow.datasets.tensors import to_tensor
from hflow.foundation.ahead import map_ahead
from hflow.foundation.devices import torch_threads
from hflow.foundation.errors import HflowError
from hflow.metrics.colour_error import ColourStatistics, mean_class_error
from hflow.metrics.lpips import MIN_SIDE
from hflow.metrics.niqe import niqe

__all__ = ["PairedImage", "paired_batches", "several_at_once", "stacked"]

BATCH = 8
PIXELS = BATCH << 17
"""Of a batch: as many as eight images of 512x256 have, for which the features of two take 2 GB."""


@dataclass(frozen=True)
class PairedImage:
    """An image of a set.

    Attributes:
        pixels: uint8 (H, W, 3), at the size of its frame where it has one.
        frame: the key of its frame; None where no frame has its key.
        original: the pixels of its frame, of the same shape.
        label: the frame's train ids, uint8 (H, W).
        truth: what the frame should become, where that is known.
        resized: whether the image had another size.
        class_error: how far its classes' colours are from the target's; None where that can't be said.
        niqe: how natural it looks; None without `source`, and where that can't be said.
    """

    pixels: np.ndarray
    frame: str | None = None
    original: np.ndarray | None = None
    label: np.ndarray | None = None
    truth: np.ndarray | None = None
    resized: bool = False
    class_error: float | None = None
    niqe: float | None = None

    @property
    def alike(self) -> tuple[object, ...]:
        """What images of one batch have in common."""
        return self.pixels.shape, self.original is None, self.label is None


def paired_batches(
    images: ImageSet,
    source: ImageSet | None = None,
    colours: Mapping[int, ColourStatistics] | None = None,
    at_once: int = 1,
) -> Generator[list[PairedImage], None, None]:
    """Neighbours of one size, up to `BATCH` together, in order; with their frames all of them or none.

    Args:
        images: the set.
        source: the frames that they may have been made of, matched by key.
        colours: of the target's classes.
        at_once: how many batches are looked at at once, which share the `PIXELS` of one.

    Raises:
        HflowError: an image can't be decoded, or is too small to be compared.
    """
    numbers = {key: number for number, key in enumerate(source.keys)} if source else {}
    partners = match_keys(images.keys, source.keys) if source else {}

    def load(number: int) -> PairedImage:
        frame = images.load(number)
        _check_size(frame)
        if source is None:
            return PairedImage(frame.pixels)
        if frame.key not in partners:
            return PairedImage(frame.pixels, niqe=niqe(frame.pixels))
        original = source.load(numbers[partners[frame.key]])
        pixels, label = fitted(frame, original), original.label
        error = None if label is None else mean_class_error(pixels, label, colours or {})
        return PairedImage(
            pixels=pixels,
            frame=original.key,
            original=original.pixels,
            label=label,
            truth=original.truth,
            resized=pixels is not frame.pixels,
            class_error=error,
            niqe=niqe(pixels),
        )

    workers = len(os.sched_getaffinity(0))
    batch: list[PairedImage] = []
    with (
        ThreadPoolExecutor(workers) as pool,
        closing(map_ahead(pool, load, range(len(images)), BATCH + workers + 1)) as loaded,
    ):
        for image in loaded:
            room = PIXELS // at_once // (image.pixels.shape[0] * image.pixels.shape[1])
            if batch and (len(batch) >= min(BATCH, room) or batch[0].alike != image.alike):
                yield batch
                batch = []
            batch.append(image)
    if batch:
        yield batch


@contextmanager
def several_at_once(sets: Sequence[ImageSet], device: torch.device) -> Iterator[tuple[ThreadPoolExecutor, int]]:
    """Threads that look at a batch each, and how many: on a CPU as many as PyTorch would use, one where the first image
    of any of the sets, which each have some, is large, and on a GPU.

    Threads that share one batch wait for each other at every layer, and turn idly where other work has their core.
    """
    threads = torch.get_num_threads() if device.type == "cpu" else 1
    largest = max(frame.pixels.shape[0] * frame.pixels.shape[1] for frame in (images.load(0) for images in sets))
    at_once = min(threads, max(1, PIXELS // largest))
    with torch_threads(threads // at_once if at_once > 1 else None), ThreadPoolExecutor(at_once) as pool:
        yield pool, at_once


def stacked(pixels: Sequence[np.ndarray]) -> Tensor:
    """Pixels of one shape, uint8 (H, W, 3) each, as (B, 3, H, W) in [0, 1]."""
    return torch.stack([to_tensor(one) for one in pixels])


def _check_size(frame: Frame) -> None:
    height, width = frame.pixels.shape[:2]
    if min(height, width) < MIN_SIDE:
        raise HflowError(f"{frame.key} is {width}x{height}: to be compared an image must be {MIN_SIDE}x{MIN_SIDE}")
