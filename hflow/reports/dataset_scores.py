"""Datasets side by side, in the columns of the paper's Table 1: whoever made them, measured in the same way."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from hflow.datasets.image_sets import Frame, ImageSet, check_partners, fitted, match_keys, open_images
from hflow.datasets.manifest import MANIFEST, read_manifest
from hflow.datasets.tensors import to_bytes, to_tensor
from hflow.foundation.errors import HflowError
from hflow.foundation.progress import progress
from hflow.metrics.class_changes import ClassChanges, class_changes, seen_before_and_after
from hflow.metrics.closeness import Closeness, closeness, mean_closeness
from hflow.metrics.colour_error import ColourStatistics, class_statistics, mean_class_error, pooled
from hflow.metrics.fid_kid import FeatureSpace, FeatureSummary, Kid, fid, kid
from hflow.metrics.invented_detail import invented_detail
from hflow.metrics.lpips import MIN_SIDE, ShiftTolerantVGG
from hflow.metrics.segmentation import confusion_matrix, segment_scores
from hflow.metrics.ssim_psnr import psnr, ssim
from hflow.model import HierarchyFlow
from hflow.model.store import TrainedModel
from hflow.segmentation.judge import Judge
from hflow.segmentation.labelled_frames import train_ids

__all__ = ["PAPER_SIZE", "DatasetScores", "Fidelity", "NetworkCost", "network_cost", "score_datasets"]

BATCH = 8
LEAST = 4
PAPER_SIZE = (512, 256)
"""(width, height) at which the paper counts operations."""


@dataclass(frozen=True)
class Fidelity:
    """How close images are to the frames they were made of, means over the pairs.

    Attributes:
        ssim: at most 1, higher is closer.
        psnr: decibels, higher is closer; infinite where a pair is equal.
        lpips: ST-LPIPS, at least 0, lower is closer.
        detail: invented detail, RMS in grey levels, lower is cleaner.
        class_colour: the distance of each class's colours from what that class is like in the target, in CIELAB, the
            mean over the classes by the root of their share; None without labels on both sides.
        pairs: how many images have a frame of their key.
        resized: how many of them had another size and were brought to the frame's.
    """

    ssim: float
    psnr: float
    lpips: float
    detail: float
    class_colour: float | None
    pairs: int
    resized: int


@dataclass(frozen=True)
class NetworkCost:
    """Parameters of a network, and the multiply-accumulates (in 10^9) of one frame, its style image encoded with it."""

    parameters: int
    gmac: float


@dataclass(frozen=True)
class DatasetScores:
    """A row of the table.

    Attributes:
        images: how many the set has.
        fidelity: None where no key is a source frame's.
        space: the feature space of fid and kid.
        fid, kid: against the target; lower is more alike.
        segments: what a segmenter trained on the set scores on the target (pxAcc, clsAcc, mIoU, seeds); None where it
            was not asked for, or the set has no labels.
        semantics: what the judge sees changed; None without a judge or without pairs.
        reading: how well the judge reads the images against their frames' labels (pxAcc, clsAcc, mIoU); the FCN score
            (Isola and others 2017) of a judge that was trained on the target alone. None without a judge or labels.
        network: of the model that made the set, where that is the model given.
        truth: how close the images of `truths` frames come to what those should become; None where that isn't known.
    """

    name: str
    path: str
    images: int
    fidelity: Fidelity | None
    space: str
    fid: float
    kid: Kid
    segments: Mapping[str, Any] | None
    semantics: ClassChanges | None
    reading: Mapping[str, Any] | None
    network: NetworkCost | None
    truth: Closeness | None
    truths: int


def score_datasets(
    datasets: Mapping[str, Path],
    *,
    source: Path,
    target: Path,
    split: str,
    space: FeatureSpace,
    vgg: ShiftTolerantVGG,
    suffixes: Mapping[str, str] | None = None,
    judge: Judge | None = None,
    model: TrainedModel | None = None,
    score: Callable[[str, ImageSet, ImageSet], Mapping[str, Any] | None] | None = None,
) -> list[DatasetScores]:
    """The figures of each dataset, in the order given.

    Args:
        datasets: name to path, as `open_images` takes them.
        source: the frames that the datasets were made of, matched by key.
        target: the images that they should look like.
        split: which split of shards is meant, where a folder has several.
        space: where FID and KID are measured.
        vgg: for ST-LPIPS.
        suffixes: what the names of a dataset's images end in beside the key, as `open_images` takes it.
        judge: a frozen segmenter for the check of what changed.
        model: whose parameters and operations are shown beside the datasets that it made.
        score: trains the downstream segmenter on a set, given its name, the set and the source, and gives its scores.

    Raises:
        HflowError: a path has no images, or there are too few.
    """
    suffixes = suffixes or {}
    sets = {name: open_images(path, split, suffix=suffixes.get(name, "")) for name, path in datasets.items()}
    frames = open_images(source, split, truth=True)
    for images in sets.values():
        check_partners(images, frames)
    wanted_images = open_images(target, split)
    for images in (wanted_images, *sets.values()):
        if len(images) < LEAST:
            raise HflowError(
                f"{images.path} has {len(images)} images: comparing takes {LEAST}, and means little below 100"
            )
    wanted = _summary(wanted_images, space, "target")
    colours = pooled([class_statistics(i.pixels, i.label) for i in wanted_images if i.label is not None])
    rows = []
    for name, images in sets.items():
        seen = _look(name, images, frames, space=space, vgg=vgg, judge=judge, colours=colours)
        rows.append(
            DatasetScores(
                name=name,
                path=str(images.path),
                images=len(images),
                fidelity=seen.fidelity,
                space=space.name,
                fid=fid(seen.summary, wanted),
                kid=kid(seen.summary, wanted),
                segments=score(name, images, frames) if score else None,
                semantics=class_changes(seen.confusion, judge.classes) if judge and seen.confusion.any() else None,
                reading=segment_scores(seen.reading, judge.classes) if judge and seen.reading.any() else None,
                network=network_cost(model.network.expansions) if model and _made_by(images.path, model) else None,
                truth=mean_closeness(seen.truth) if seen.truth else None,
                truths=len(seen.truth),
            )
        )
    return rows


def network_cost(expansions: Sequence[int], size: tuple[int, int] = PAPER_SIZE) -> NetworkCost:
    """What a Hierarchy Flow of these expansion rates costs for a frame of this (width, height), nothing computed."""
    with torch.device("meta"):
        network = HierarchyFlow(expansions)
        frame = torch.empty(1, 3, size[1], size[0])
        with FlopCounterMode(display=False) as counter:
            network(frame, frame)
    return NetworkCost(sum(p.numel() for p in network.parameters()), counter.get_total_flops() / 2e9)


@dataclass(frozen=True)
class _Seen:
    """What one pass over a set gave."""

    summary: FeatureSummary
    fidelity: Fidelity | None
    confusion: Tensor
    reading: Tensor
    truth: list[Closeness]


def _look(
    name: str,
    images: ImageSet,
    source: ImageSet,
    *,
    space: FeatureSpace,
    vgg: ShiftTolerantVGG,
    judge: Judge | None,
    colours: Mapping[int, ColourStatistics],
) -> _Seen:
    device = vgg.mean.device
    numbers = {key: number for number, key in enumerate(source.keys)}
    partners = match_keys(images.keys, source.keys)
    summary = FeatureSummary(space.dimensions, seed=0)
    classes = len(judge.classes) if judge else 1
    confusion, reading = torch.zeros(2, classes, classes, dtype=torch.int64)
    values: list[list[float]] = []
    by_class: list[float] = []
    truth: list[Closeness] = []
    resized = 0
    with progress(name, len(images), unit="images") as advance:
        for frame in images:
            _check_size(frame)
            pixels = frame.pixels
            if frame.key in partners:
                original = source.load(numbers[partners[frame.key]])
                resized += pixels.shape != original.pixels.shape
                pixels = fitted(frame, original)
                image, reference = (to_tensor(p)[None].to(device) for p in (pixels, original.pixels))  # (1, 3, H, W)
                values.append([metric(image, reference).item() for metric in (ssim, psnr, vgg.distance, _detail)])
                if original.truth is not None:
                    truth.append(closeness(image, to_tensor(original.truth)[None].to(device), vgg))
                if original.label is not None:
                    error = mean_class_error(pixels, original.label, colours)
                    by_class += [] if error is None else [error]
                if judge:
                    label = None if original.label is None else train_ids(original.label)[None]
                    seen = judge.predict(reference), judge.predict(image)
                    confusion += seen_before_and_after(*seen, label, classes)
                    if label is not None:
                        reading += confusion_matrix(seen[1].cpu(), label, classes)
            summary.add(space.features(to_bytes(pixels)[None]))
            advance()
    means = [math.fsum(column) / len(values) for column in zip(*values, strict=True)]
    class_colour = math.fsum(by_class) / len(by_class) if by_class else None
    fidelity = Fidelity(means[0], means[1], means[2], means[3], class_colour, len(values), resized) if values else None
    return _Seen(summary, fidelity, confusion, reading, truth)


def _detail(image: Tensor, reference: Tensor) -> Tensor:
    return invented_detail(reference, image)


def _summary(images: ImageSet, space: FeatureSpace, title: str) -> FeatureSummary:
    summary = FeatureSummary(space.dimensions, seed=0)
    with progress(title, len(images), unit="images") as advance:
        for batch in _batches(images):
            summary.add(space.features(batch))
            advance(len(batch))
    return summary


def _batches(images: ImageSet) -> Iterator[Tensor]:
    """Neighbours of one size, up to `BATCH` together, uint8 (B, 3, H, W)."""
    batch: list[Tensor] = []
    for frame in images:
        _check_size(frame)
        pixels = to_bytes(frame.pixels)[None]  # (1, 3, H, W)
        if batch and (len(batch) == BATCH or batch[0].shape != pixels.shape):
            yield torch.cat(batch)
            batch = []
        batch.append(pixels)
    if batch:
        yield torch.cat(batch)


def _check_size(frame: Frame) -> None:
    height, width = frame.pixels.shape[:2]
    if min(height, width) < MIN_SIDE:
        raise HflowError(f"{frame.key} is {width}x{height}: to be compared an image must be {MIN_SIDE}x{MIN_SIDE}")


def _made_by(path: Path, model: TrainedModel) -> bool:
    """Whether the manifest in the folder names this model."""
    manifest = path / MANIFEST
    return manifest.is_file() and read_manifest(manifest, fill=True).made_by(model.sha256)
