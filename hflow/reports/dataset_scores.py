"""Datasets side by side, in the columns of the paper's Table 1: whoever made them, measured in the same way."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from hflow.datasets.image_sets import ImageSet, check_partners, open_images
from hflow.datasets.manifest import MANIFEST, read_manifest
from hflow.datasets.tensors import to_bytes
from hflow.foundation.errors import HflowError
from hflow.foundation.progress import progress
from hflow.metrics.class_changes import ClassChanges, class_changes, seen_before_and_after
from hflow.metrics.closeness import Closeness, closeness, mean_closeness
from hflow.metrics.colour_error import ColourStatistics, class_statistics, pooled
from hflow.metrics.fid_kid import FeatureSpace, FeatureSummary, Kid, fid, kid
from hflow.metrics.invented_detail import invented_detail
from hflow.metrics.lpips import ShiftTolerantVGG
from hflow.metrics.niqe import niqe
from hflow.metrics.segmentation import confusion_matrix, segment_scores
from hflow.metrics.ssim_psnr import psnr, ssim
from hflow.model import HierarchyFlow
from hflow.model.store import TrainedModel
from hflow.reports.paired_images import paired_batches, stacked
from hflow.segmentation.judge import Judge
from hflow.segmentation.labelled_frames import train_ids

__all__ = ["PAPER_SIZE", "DatasetScores", "Fidelity", "NetworkCost", "network_cost", "score_datasets"]

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
        niqe: the mean over the images that are large enough for it; None where none is.
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
    niqe: float | None
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
                niqe=math.fsum(seen.niqe) / len(seen.niqe) if seen.niqe else None,
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
    niqe: list[float]
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
    summary = FeatureSummary(space.dimensions, seed=0)
    classes = len(judge.classes) if judge else 1
    confusion, reading = torch.zeros(2, classes, classes, dtype=torch.int64)
    values: list[list[float]] = []
    by_class: list[float] = []
    truth: list[Closeness] = []
    natural: list[float] = []
    resized = 0
    with progress(name, len(images), unit="images") as advance:
        for batch in paired_batches(images, source, colours):
            originals = [one.original for one in batch if one.original is not None]
            if originals:
                image, reference = (
                    stacked(pixels).to(device) for pixels in ([one.pixels for one in batch], originals)
                )  # (B, 3, H, W)
                distance, deepest = vgg.compare(image, reference)
                columns = ssim(image, reference), psnr(image, reference), distance, invented_detail(reference, image)
                values += torch.stack(columns, dim=1).tolist()
                by_class += [one.class_error for one in batch if one.class_error is not None]
                resized += sum(one.resized for one in batch)
                for number, one in enumerate(batch):
                    if one.truth is not None:
                        truth.append(closeness(image[[number]], stacked([one.truth]).to(device), vgg))
                if judge:
                    labels = [train_ids(one.label) for one in batch if one.label is not None]
                    label = torch.stack(labels) if labels else None  # (B, H, W)
                    seen = judge.predict(reference), judge.predict(image)
                    confusion += seen_before_and_after(*seen, label, classes)
                    if label is not None:
                        reading += confusion_matrix(seen[1].cpu(), label, classes)
            if originals and space.of_vgg:
                summary.add(space.of_vgg(deepest))
            else:
                summary.add(space.features(torch.stack([to_bytes(one.pixels) for one in batch])))
            natural += [found for one in batch if (found := niqe(one.pixels)) is not None]
            advance(len(batch))
    means = [math.fsum(column) / len(values) for column in zip(*values, strict=True)]
    class_colour = math.fsum(by_class) / len(by_class) if by_class else None
    fidelity = Fidelity(means[0], means[1], means[2], means[3], class_colour, len(values), resized) if values else None
    return _Seen(summary, fidelity, confusion, reading, natural, truth)


def _summary(images: ImageSet, space: FeatureSpace, title: str) -> FeatureSummary:
    summary = FeatureSummary(space.dimensions, seed=0)
    with progress(title, len(images), unit="images") as advance:
        for batch in paired_batches(images):
            summary.add(space.features(torch.stack([to_bytes(one.pixels) for one in batch])))
            advance(len(batch))
    return summary


def _made_by(path: Path, model: TrainedModel) -> bool:
    """Whether the manifest in the folder names this model."""
    manifest = path / MANIFEST
    return manifest.is_file() and read_manifest(manifest, fill=True).made_by(model.sha256)
