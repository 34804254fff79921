"""How real translated frames look: figures of a sample that the SSIM and a short downstream training don't see.

Invented detail, the colour error, the FCN score and KID, each beside that of the raw frames; and the frames at which
each is worst.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from skimage.color import lab2rgb
from torch import Tensor

from hflow.datasets.tensors import to_bytes, to_tensor
from hflow.foundation.evenly_spaced import evenly_spaced
from hflow.foundation.progress import progress
from hflow.metrics.colour_error import ColourStatistics, class_statistics, mean_class_error, pooled
from hflow.metrics.feature_spaces import load_feature_space
from hflow.metrics.fid_kid import FeatureSummary, kid
from hflow.metrics.invented_detail import DETAIL_LIMIT, invented_detail
from hflow.metrics.lpips import MIN_SIDE
from hflow.metrics.segmentation import confusion_matrix, segment_scores
from hflow.reports.sampled_images import SAMPLE, SampledFrames, SampledImage, sampled_target
from hflow.segmentation.judge import Judge
from hflow.segmentation.labelled_frames import train_ids

__all__ = [
    "COLOUR",
    "DETAIL",
    "DETAIL_LIMIT",
    "FCN",
    "KID",
    "ClassColours",
    "Measure",
    "Reader",
    "Reading",
    "Realism",
    "measure_realism",
]

WORST, LEAST, LEAST_SIDE = 3, 4, 8

DETAIL, COLOUR, FCN, KID = "invented detail", "colour error", "FCN score", "KID"


@dataclass(frozen=True)
class Measure:
    """One figure of the sample.

    Attributes:
        name: DETAIL, COLOUR, FCN or KID.
        raw, translated: of the source frames and of their translations.
        bad: whether translating made it worse; of invented detail, which raw frames have none of, whether it is above
            `DETAIL_LIMIT`.
        worst: rows of the manifest with the frame's own figure, the worst first; empty where frames have none.
    """

    name: str
    raw: float
    translated: float
    bad: bool
    worst: Sequence[tuple[Mapping[str, Any], float]] = ()


@dataclass(frozen=True)
class ClassColours:
    """The typical colour of a class, sRGB, in raw frames, translations and target images.

    `before` and `after` are the distances of the raw and the translated statistics from the target's, in CIELAB.
    """

    name: str
    raw: tuple[int, int, int]
    translated: tuple[int, int, int]
    target: tuple[int, int, int]
    before: float
    after: float


@dataclass(frozen=True)
class Reader:
    """A segmenter that reads frames.

    Attributes:
        name: who it is, for the reader of the report.
        of_target_alone: whether it has learned from the target's images alone. To one that has seen the raw frames
            with their labels these are easier than any translation.
    """

    judge: Judge
    name: str
    of_target_alone: bool


@dataclass(frozen=True)
class Reading:
    """What a segmenter sees in frames: counts of pixels, int64 (K, K), rows by label and columns by what it sees."""

    reader: str
    raw: np.ndarray
    translated: np.ndarray


@dataclass(frozen=True)
class Realism:
    """The figures of a sample.

    Attributes:
        frames: how many, evenly spaced over all.
        measures: those that can be had; the FCN score needs labels and a reader that knows the target alone, KID
            four images a side.
        by_class: whether the colour error is by class; without labels on either side it is over the whole picture.
        colours: by class, where there are labels.
        reading: where there are labels and a reader.
    """

    frames: int
    measures: Sequence[Measure]
    by_class: bool
    colours: Sequence[ClassColours]
    reading: Reading | None


@dataclass
class _Tally:
    """What is gathered of raw frames, or of translations: an item a frame, None where it has no such figure."""

    detail: list[float | None] = field(default_factory=list)
    colour: list[float | None] = field(default_factory=list)
    confusions: list[Tensor | None] = field(default_factory=list)
    statistics: list[Mapping[int, ColourStatistics]] = field(default_factory=list)
    features: list[Tensor] = field(default_factory=list)

    @property
    def confusion(self) -> Tensor | None:
        """Of all frames together, (K, K)."""
        known = [c for c in self.confusions if c is not None]
        return torch.stack(known).sum(0) if known else None


def measure_realism(
    rows: Sequence[Mapping[str, Any]],
    *,
    prepared: Path,
    translated: Path,
    classes: Sequence[str],
    reader: Reader | None,
    device: torch.device | str = "cpu",
) -> Realism:
    """The figures of up to 48 frames, at most 512 wide.

    Args:
        rows: of translated frames, from the manifest, at least one.
        prepared, translated: the folders that prepare and translate wrote.
        classes: the class names; a name's place is its train id.
        reader: for what is seen in the frames, and for the FCN score (Isola and others 2017) where it has learned from
            the target's images alone.
        device: where networks compute.

    Raises:
        HflowError: a shard is missing or damaged.
    """
    sample, target = evenly_spaced(rows, SAMPLE), sampled_target(prepared)
    frames = SampledFrames(prepared, translated)
    by_class = any(i.ids is not None for i in target) and any(frames.raw(row).ids is not None for row in sample)
    wanted = pooled([class_statistics(i.pixels, i.regions(by_class)) for i in target])
    features = _feature_space(target, [frames.raw(sample[0])], device)
    tallies = _Tally(), _Tally()
    with progress("measure", len(sample), unit="frames") as advance:
        for row in sample:
            raw = frames.raw(row)
            after = SampledImage(frames.translated(row), raw.ids)
            for tally, image in zip(tallies, (raw, after), strict=True):
                tally.detail.append(_invented(raw.pixels, image.pixels))
                tally.statistics.append(class_statistics(image.pixels, image.regions(by_class)))
                tally.colour.append(mean_class_error(image.pixels, image.regions(by_class), wanted))
                tally.confusions.append(_read(reader, image, len(classes)))
                if features:
                    tally.features.append(features(image.pixels))
            advance()
    before, made = tallies
    measures = [
        _per_frame(DETAIL, sample, before.detail, made.detail),
        _per_frame(COLOUR, sample, before.colour, made.colour),
        _fcn(sample, before, made, classes) if reader and reader.of_target_alone else None,
        _kid(before, made, [features(i.pixels) for i in target] if features else []),
    ]
    return Realism(
        frames=len(sample),
        measures=[measure for measure in measures if measure],
        by_class=by_class,
        colours=_class_colours(before, made, wanted, classes) if by_class else [],
        reading=_reading(reader, before, made),
    )


def _invented(source: np.ndarray, made: np.ndarray) -> float | None:
    if min(source.shape[:2]) <= LEAST_SIDE:
        return None
    return invented_detail(to_tensor(source)[None], to_tensor(made)[None]).item()


def _read(reader: Reader | None, image: SampledImage, classes: int) -> Tensor | None:
    if not reader or image.ids is None:
        return None
    seen = reader.judge.predict(to_tensor(image.pixels)[None])[0].cpu()
    return confusion_matrix(seen, train_ids(image.ids), classes)


def _reading(reader: Reader | None, raw: _Tally, made: _Tally) -> Reading | None:
    before, after = raw.confusion, made.confusion
    if not reader or before is None or after is None:
        return None
    return Reading(reader.name, before.numpy(), after.numpy())


def _feature_space(
    target: Sequence[SampledImage], frames: Sequence[SampledImage], device: torch.device | str
) -> Callable[[np.ndarray], Tensor] | None:
    """Features (1, D) of pixels (H, W, 3); None where images are too small for the network."""
    if any(min(image.pixels.shape[:2]) < MIN_SIDE for image in (*target, *frames)):
        return None
    space = load_feature_space("vgg16", device=device)

    def features(pixels: np.ndarray) -> Tensor:
        return space.features(to_bytes(pixels)[None]).cpu()

    return features


def _per_frame(
    name: str, rows: Sequence[Mapping[str, Any]], raw: Sequence[float | None], made: Sequence[float | None]
) -> Measure | None:
    """A measure that is the mean over the frames, and lower is better."""
    before, after = ([v for v in values if v is not None] for values in (raw, made))
    if not (before and after):
        return None
    limit = DETAIL_LIMIT if name == DETAIL else _mean(before)
    return Measure(name, _mean(before), _mean(after), _mean(after) > limit, _worst(rows, made))


def _fcn(rows: Sequence[Mapping[str, Any]], raw: _Tally, made: _Tally, classes: Sequence[str]) -> Measure | None:
    before, after = (_miou(tally.confusion, classes) for tally in (raw, made))
    if before is None or after is None:
        return None
    by_frame = [_miou(confusion, classes) for confusion in made.confusions]
    return Measure(FCN, before, after, after < before, _worst(rows, by_frame, highest=False))


def _miou(confusion: Tensor | None, classes: Sequence[str]) -> float | None:
    return float(segment_scores(confusion, classes)["mIoU"]) if confusion is not None and confusion.any() else None


def _kid(raw: _Tally, made: _Tally, target: Sequence[Tensor]) -> Measure | None:
    if min(len(target), len(made.features)) < LEAST:
        return None
    wanted, before, after = (_summary(f) for f in (target, raw.features, made.features))
    values = kid(before, wanted).mean, kid(after, wanted).mean
    return Measure(KID, *values, values[1] > values[0])


def _summary(features: Sequence[Tensor]) -> FeatureSummary:
    summary = FeatureSummary(features[0].shape[1], seed=0)
    for feature in features:
        summary.add(feature)
    return summary


def _worst(
    rows: Sequence[Mapping[str, Any]], values: Sequence[float | None], *, highest: bool = True
) -> list[tuple[Mapping[str, Any], float]]:
    known = [(row, value) for row, value in zip(rows, values, strict=True) if value is not None]
    return sorted(known, key=lambda pair: pair[1], reverse=highest)[:WORST]


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def _class_colours(
    raw: _Tally, made: _Tally, target: Mapping[int, ColourStatistics], classes: Sequence[str]
) -> list[ClassColours]:
    before, after = pooled(raw.statistics), pooled(made.statistics)
    return [
        ClassColours(
            name,
            _rgb(before[i]),
            _rgb(after[i]),
            _rgb(target[i]),
            before[i].distance(target[i]),
            after[i].distance(target[i]),
        )
        for i, name in enumerate(classes)
        if i in before and i in after and i in target
    ]


def _rgb(statistics: ColourStatistics) -> tuple[int, int, int]:
    red, green, blue = (round(float(255 * v)) for v in lab2rgb(statistics.mean[None, None])[0, 0].clip(0, 1))
    return red, green, blue
