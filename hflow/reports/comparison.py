"""What differs between two translated datasets, or between what two models make of the same frames."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from hflow.foundation.contact_sheet import narrowed
from hflow.foundation.errors import HflowError
from hflow.foundation.progress import progress
from hflow.reports.compared_frames import ComparedFrames, DatasetFrames, Key, ModelFrames, kind_of_folder

__all__ = ["Comparison", "FrameChange", "ShownChange", "SideSummary", "compare"]

BINS = 20
SHOWN_WIDTH = 960


@dataclass(frozen=True)
class SideSummary:
    """One of the two.

    Attributes:
        name: where it is.
        frames: how many it has.
        ssim: the mean SSIM to the source of the frames that both have; None where that is not known of all.
        facts: what it was made with.
    """

    name: str
    frames: int
    ssim: float | None
    facts: Mapping[str, str]


@dataclass(frozen=True)
class FrameChange:
    """A frame that both sides have and show differently.

    Attributes:
        difference: the mean absolute difference of the two pictures, in grey levels of 255.
        styles: the key of the style image that each side took.
        ssim: to the source, for each side; None where a side does not say.
    """

    split: str
    key: str
    difference: float
    styles: tuple[str, str]
    ssim: tuple[float | None, float | None]


@dataclass(frozen=True)
class ShownChange:
    """A change with its pictures, uint8 (H, W, 3) and at most 960 wide; its label map, train ids (H, W), or None."""

    change: FrameChange
    before: np.ndarray
    after: np.ndarray
    label: np.ndarray | None


@dataclass(frozen=True)
class Comparison:
    """Two sides, A and B.

    Attributes:
        changes: the frames that differ, the largest difference first.
        same: how many frames are the same in both.
        alone: the frames that only A, and only B, has.
        relabelled: how many frames have another label in B than in A.
        histogram: how many changes lie in each twentieth from 0 to `top`, a round number.
        shown: the first changes, with their pictures.
    """

    sides: tuple[SideSummary, SideSummary]
    changes: Sequence[FrameChange]
    same: int
    alone: tuple[Sequence[Key], Sequence[Key]]
    relabelled: int
    histogram: Sequence[int]
    top: float
    shown: Sequence[ShownChange]


def compare(
    a: Path,
    b: Path,
    *,
    prepared: Path,
    names: tuple[str, str] | None = None,
    frames: int = 200,
    seed: int = 0,
    device: str = "cpu",
    examples: int = 12,
) -> Comparison:
    """Compare two translated datasets frame by frame, or two models on the same frames.

    Args:
        a, b: two folders with a manifest.parquet, as `hflow translate` writes them, or two models.
        prepared: for models, the folder that prepare wrote, whose source frames both translate.
        names: what the two are called; their paths otherwise.
        frames: how many of these, evenly spaced.
        seed: for models, of the choice of a style for each frame.
        device: for models, where to translate.
        examples: how many changes come with their pictures.

    Raises:
        HflowError: a folder is neither, the two are not of one kind, have no frame in common, or are damaged.
    """
    kinds = {kind_of_folder(a), kind_of_folder(b)}
    if len(kinds) > 1:
        raise HflowError(f"one of {a} and {b} is a dataset and the other a model: name two of a kind")
    sides: list[ComparedFrames] = [
        DatasetFrames(place) if kinds == {"dataset"} else ModelFrames(place, prepared, frames, seed, device)
        for place in (a, b)
    ]
    for side, name in zip(sides, names or (), strict=bool(names)):
        side.name = name
    first, second = sides
    return _compared(first, second, examples)


def _compared(a: ComparedFrames, b: ComparedFrames, examples: int) -> Comparison:
    both = [key for key in a.rows if key in b.rows]
    if not both:
        raise HflowError(f"{a.name} and {b.name} have no frame in common: are they of the same source?")
    changes = []
    similar: tuple[list[float | None], list[float | None]] = ([], [])
    with progress("compare", len(both), unit="frames") as advance:
        for key in both:
            row, other = a.rows[key], b.rows[key]
            ssims, difference = (row["ssim"], other["ssim"]), 0.0
            # Equal bytes need no look.
            if not row["image_sha256"] or row["image_sha256"] != other["image_sha256"]:
                seen = (a.image_and_ssim(key), b.image_and_ssim(key))
                ssims, difference = (seen[0][1], seen[1][1]), _difference(seen[0][0], seen[1][0])
            if difference > 0:
                changes.append(FrameChange(*key, difference, (row["style"], other["style"]), ssims))
            for values, value in zip(similar, ssims, strict=True):
                values.append(value)
            advance()
    changes.sort(key=lambda change: (-change.difference, change.split, change.key))
    top = _rounded_up(changes[0].difference) if changes else 1.0
    counts: list[int] = np.histogram([change.difference for change in changes], BINS, (0, top))[0].tolist()
    return Comparison(
        sides=(_side(a, similar[0]), _side(b, similar[1])),
        changes=changes,
        same=len(both) - len(changes),
        alone=([key for key in a.rows if key not in b.rows], [key for key in b.rows if key not in a.rows]),
        relabelled=sum(a.rows[key]["label_sha256"] != b.rows[key]["label_sha256"] for key in both),
        histogram=counts,
        top=top,
        shown=[_shown(change, a, b) for change in changes[:examples]],
    )


def _rounded_up(value: float) -> float:
    """The next number of one digit and zeros."""
    unit = 10.0 ** math.floor(math.log10(value))
    return math.ceil(value / unit) * unit


def _side(frames: ComparedFrames, ssims: Sequence[float | None]) -> SideSummary:
    known = [value for value in ssims if value is not None]
    return SideSummary(
        frames.name, len(frames.rows), float(np.mean(known)) if len(known) == len(ssims) else None, frames.facts
    )


def _shown(change: FrameChange, a: ComparedFrames, b: ComparedFrames) -> ShownChange:
    key = (change.split, change.key)
    label = b.label(key)
    small = None if label is None else narrowed(label, SHOWN_WIDTH)
    before, after = (narrowed(side.image_and_ssim(key)[0], SHOWN_WIDTH) for side in (a, b))
    return ShownChange(change, before, after, small)


def _difference(a: np.ndarray, b: np.ndarray) -> float:
    """The mean absolute difference of two images, uint8 (H, W, 3); B is brought to the size of A."""
    if a.shape != b.shape:
        b = np.asarray(Image.fromarray(b).resize((a.shape[1], a.shape[0]), Image.Resampling.BICUBIC))
    return float(np.abs(a.astype(np.int16) - b).mean())
