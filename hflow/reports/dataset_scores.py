"""Datasets side by side, in the columns of the paper's Table 1: whoever made them, measured in the same way."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from hflow.datasets.image_sets import ImageSet, brought, check_partners, open_images
from hflow.datasets.manifest import MANIFEST, read_manifest
from hflow.foundation.ahead import map_ahead
from hflow.foundation.errors import HflowError
from hflow.foundation.evenly_spaced import evenly_spaced
from hflow.foundation.progress import progress
from hflow.foundation.stores import Store
from hflow.metrics.class_changes import ClassChanges, class_changes
from hflow.metrics.closeness import Closeness, mean_closeness
from hflow.metrics.colour_error import ColourStatistics, class_statistics, pooled
from hflow.metrics.fid_kid import FeatureSpace, FeatureSummary, Kid, fid, kid
from hflow.metrics.lpips import ShiftTolerantVGG
from hflow.metrics.segmentation import segment_scores
from hflow.model import HierarchyFlow
from hflow.model.hierarchy_flow import AdaINPlace
from hflow.model.store import TrainedModel
from hflow.reports.paired_images import PairedImage, paired_batches, several_at_once
from hflow.reports.seen_batches import SeeingNetworks, SeenBatch, features_of
from hflow.segmentation.judge import Judge

__all__ = ["PAPER_SIZE", "DatasetScores", "Fidelity", "NetworkCost", "network_cost", "score_datasets"]

LEAST = 4
COLOUR_IMAGES = 256
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
        class_colour: the distance of each class's colours from what that class is like in 256 images of the target,
            evenly spaced, in CIELAB, the mean over the classes by the root of their share; None without labels on both
            sides.
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
    datasets: Mapping[str, Path | Store],
    *,
    source: Path | Store,
    target: Path | Store,
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
        datasets: name to path, as `open_images` takes them; what lies in a store is brought here first, for as long as
            it is measured. So of source and target.
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
    with ExitStack() as stack:
        places = {name: stack.enter_context(brought(place, split)) for name, place in datasets.items()}
        sets = {
            name: replace(open_images(place, split, suffix=suffixes.get(name, "")), path=datasets[name])
            for name, place in places.items()
        }
        frames = replace(open_images(stack.enter_context(brought(source, split)), split, truth=True), path=source)
        for images in sets.values():
            check_partners(images, frames)
        wanted_images = replace(open_images(stack.enter_context(brought(target, split)), split), path=target)
        for images in (wanted_images, *sets.values()):
            if len(images) < LEAST:
                raise HflowError(
                    f"{images.path} has {len(images)} images: comparing takes {LEAST}, and means little below 100"
                )
        wanted = _summary(wanted_images, space, vgg.mean.device)
        colours = _class_colours(wanted_images)
        networks = SeeingNetworks(space, vgg, judge)
        looks = {name: _Look(networks) for name in sets}
        _look_at_all(looks, sets, frames, colours, networks)
        rows = []
        for name, images in sets.items():
            seen = looks[name]
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
                    network=network_cost(model.network.expansions, adain=model.network.adain)
                    if model and _made_by(places[name], model)
                    else None,
                    niqe=math.fsum(seen.niqe) / len(seen.niqe) if seen.niqe else None,
                    truth=mean_closeness(seen.truth) if seen.truth else None,
                    truths=len(seen.truth),
                )
            )
        return rows


def network_cost(
    expansions: Sequence[int], size: tuple[int, int] = PAPER_SIZE, *, adain: AdaINPlace = "every"
) -> NetworkCost:
    """What a Hierarchy Flow of these expansion rates costs for a frame of this (width, height), nothing computed."""
    with torch.device("meta"):
        network = HierarchyFlow(expansions, adain=adain)
        frame = torch.empty(1, 3, size[1], size[0])
        with FlopCounterMode(display=False) as counter:
            network(frame, frame)
    return NetworkCost(sum(p.numel() for p in network.parameters()), counter.get_total_flops() / 2e9)


def _look_at_all(
    looks: Mapping[str, "_Look"],
    sets: Mapping[str, ImageSet],
    source: ImageSet,
    colours: Mapping[int, ColourStatistics],
    networks: SeeingNetworks,
) -> None:
    """One pass over all sets, a batch of each in turn, so that sets of the same frames need one look at these."""
    with (
        progress("measure", sum(map(len, sets.values())), unit="images") as advance,
        several_at_once([source, *sets.values()], networks.vgg.mean.device) as (pool, at_once),
        ExitStack() as stack,
    ):
        left = {
            name: stack.enter_context(closing(paired_batches(images, source, colours, at_once)))
            for name, images in sets.items()
        }

        def turns() -> Iterator[dict[str, list[PairedImage]]]:
            while turn := {name: batch for name, batches in left.items() if (batch := next(batches, None))}:
                yield turn

        seeing = stack.enter_context(closing(map_ahead(pool, networks.see, turns(), at_once)))
        for turn in seeing:
            for name, (batch, seen) in turn.items():
                looks[name].add(batch, seen)
                advance(len(batch))


class _Look:
    """What one pass over a set gives."""

    def __init__(self, networks: SeeingNetworks):
        classes = len(networks.judge.classes) if networks.judge else 1
        self.summary = FeatureSummary(networks.space.dimensions, seed=0)
        self.confusion, self.reading = torch.zeros(2, classes, classes, dtype=torch.int64)
        self.niqe: list[float] = []
        self.truth: list[Closeness] = []
        self._values: list[list[float]] = []
        self._by_class: list[float] = []
        self._resized = 0

    def add(self, batch: Sequence[PairedImage], seen: SeenBatch) -> None:
        """Take in what was seen in a batch."""
        self.summary.add(seen.features)
        self.confusion += seen.confusion
        self.reading += seen.reading
        self.truth += seen.truth
        self._values += seen.values
        self.niqe += [one.niqe for one in batch if one.niqe is not None]
        self._by_class += [one.class_error for one in batch if one.class_error is not None]
        self._resized += sum(one.resized for one in batch)

    @property
    def fidelity(self) -> Fidelity | None:
        """Of the images that have a frame; None where none has."""
        if not self._values:
            return None
        means = [math.fsum(column) / len(self._values) for column in zip(*self._values, strict=True)]
        class_colour = math.fsum(self._by_class) / len(self._by_class) if self._by_class else None
        return Fidelity(means[0], means[1], means[2], means[3], class_colour, len(self._values), self._resized)


def _summary(images: ImageSet, space: FeatureSpace, device: torch.device) -> FeatureSummary:
    summary = FeatureSummary(space.dimensions, seed=0)
    with (
        progress("target", len(images), unit="images") as advance,
        several_at_once([images], device) as (pool, at_once),
        closing(paired_batches(images, at_once=at_once)) as batches,
        closing(map_ahead(pool, partial(features_of, space=space), batches, at_once)) as seen,
    ):
        for some in seen:
            summary.add(some)
            advance(len(some))
    return summary


def _class_colours(images: ImageSet) -> dict[int, ColourStatistics]:
    """What each class is like in some of the images, evenly spaced."""
    chosen, found = evenly_spaced(range(len(images)), COLOUR_IMAGES), []
    with progress("class colours", len(chosen), unit="images") as advance:
        for frame in map(images.load, chosen):
            if frame.label is not None:
                found.append(class_statistics(frame.pixels, frame.label))
            advance()
    return pooled(found)


def _made_by(path: Path, model: TrainedModel) -> bool:
    """Whether the manifest in the folder names this model."""
    manifest = path / MANIFEST
    return manifest.is_file() and read_manifest(manifest, fill=True).made_by(model.sha256)
