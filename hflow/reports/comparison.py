"""What differs between two translated datasets, or between what two models make of the same frames."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import overload

import numpy as np
import pyarrow.compute as pc
from PIL import Image

from hflow.datasets.manifest_rows import ROWS_AT_ONCE, ManifestRows
from hflow.foundation.contact_sheet import narrowed
from hflow.foundation.errors import HflowError
from hflow.foundation.progress import progress
from hflow.reports.compared_frames import ComparedFrames, DatasetFrames, ModelFrames, kind_of_folder

__all__ = ["Changes", "Comparison", "FrameChange", "ShownChange", "SideSummary", "compare"]

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


class Changes(Sequence[FrameChange]):
    """Changes that become objects when they are asked for, so that a million of them take little memory.

    Args:
        a, b: what each side says of the frames, (N,).
        differences: float64 (N,).
        ssim: of each side, float64 (N,), not a number where it does not say.
    """

    def __init__(
        self, a: ManifestRows, b: ManifestRows, differences: np.ndarray, ssim: tuple[np.ndarray, np.ndarray]
    ) -> None:
        self.a, self.b, self.differences, self.ssim = a, b, differences, ssim

    def __len__(self) -> int:
        return len(self.differences)

    @overload
    def __getitem__(self, index: int) -> FrameChange: ...
    @overload
    def __getitem__(self, index: slice) -> "Changes": ...
    def __getitem__(self, index: int | slice) -> "FrameChange | Changes":
        if isinstance(index, slice):
            return self._at(index)
        place = range(len(self))[index]
        return next(iter(self[place : place + 1]))

    def __iter__(self) -> Iterator[FrameChange]:
        for first in range(0, len(self), ROWS_AT_ONCE):
            some = self[first : first + ROWS_AT_ONCE]
            figures = zip(some.differences.tolist(), *(_or_none(values) for values in some.ssim), strict=True)
            for row, other, (difference, *ssim) in zip(some.a, some.b, figures, strict=True):
                styles = row["style"], other["style"]
                yield FrameChange(row["split"] or "", row["key"], difference, styles, (ssim[0], ssim[1]))

    def largest_first(self) -> "Changes":
        """The same in order, those of one difference by split and key."""
        by_key = self.a.order("split", "key")
        return self._at(by_key[np.argsort(-self.differences[by_key], kind="stable")])

    def _at(self, which: slice | np.ndarray) -> "Changes":
        return Changes(
            self.a.at(which), self.b.at(which), self.differences[which], (self.ssim[0][which], self.ssim[1][which])
        )


def _or_none(values: np.ndarray) -> list[float | None]:
    return [None if math.isnan(value) else value for value in values.tolist()]


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
        alone: split and key of the frames that only A, and only B, has.
        relabelled: how many frames have another label in B than in A.
        histogram: how many changes lie in each twentieth from 0 to `top`, a round number.
        shown: the first changes, with their pictures.
    """

    sides: tuple[SideSummary, SideSummary]
    changes: Changes
    same: int
    alone: tuple[ManifestRows, ManifestRows]
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
    numbers = a.rows.found_in(b.rows, "split", "key")
    if not (numbers >= 0).any():
        raise HflowError(f"{a.name} and {b.name} have no frame in common: are they of the same source?")
    both = a.rows.where(numbers >= 0), b.rows.at(numbers[numbers >= 0])
    # Shard by shard, so that each is opened once.
    by_shard = both[0].order("split", "shard")
    both = both[0].at(by_shard), both[1].at(by_shard)
    changes, ssim = _changes(a, b, *both)
    top = _rounded_up(float(changes.differences[0])) if changes else 1.0
    counts: list[int] = np.histogram(changes.differences, BINS, (0, top))[0].tolist()
    labels = [rows.column("label_sha256").fill_null("") for rows in both]
    return Comparison(
        sides=(_side(a, ssim[0]), _side(b, ssim[1])),
        changes=changes,
        same=len(both[0]) - len(changes),
        alone=(a.rows.where(numbers < 0), b.rows.where(b.rows.found_in(a.rows, "split", "key") < 0)),
        relabelled=pc.sum(pc.not_equal(*labels)).as_py(),
        histogram=counts,
        top=top,
        shown=[_shown(changes[number : number + 1], a, b) for number in range(min(examples, len(changes)))],
    )


def _changes(
    a: ComparedFrames, b: ComparedFrames, rows: ManifestRows, others: ManifestRows
) -> tuple[Changes, tuple[np.ndarray, np.ndarray]]:
    """What differs, the largest first, and the SSIM of all frames for each side; of rows of the same frames."""
    hashes = [of.column("image_sha256").fill_null("") for of in (rows, others)]
    # Equal bytes need no look.
    looked_at = np.flatnonzero(pc.or_(pc.equal(hashes[0], ""), pc.not_equal(*hashes)).to_numpy())
    ssim = _ssim(rows), _ssim(others)
    differences = np.zeros(len(rows))
    with progress("compare", len(rows), unit="frames") as advance:
        advance(len(rows) - len(looked_at))
        for number, row, other in zip(looked_at, rows.at(looked_at), others.at(looked_at), strict=True):
            first, second = a.image_and_ssim(row), b.image_and_ssim(other)
            differences[number] = _difference(first[0], second[0])
            for values, value in zip(ssim, (first[1], second[1]), strict=True):
                values[number] = np.nan if value is None else value
            advance()
    differ = np.flatnonzero(differences)
    found = Changes(rows.at(differ), others.at(differ), differences[differ], (ssim[0][differ], ssim[1][differ]))
    return found.largest_first(), ssim


def _ssim(rows: ManifestRows) -> np.ndarray:
    """What the rows say of it, float64 (N,), not a number where they do not."""
    values: np.ndarray = rows.column("ssim").cast("float64").fill_null(np.nan).to_numpy().copy()
    return values


def _rounded_up(value: float) -> float:
    """The next number of one digit and zeros."""
    unit = 10.0 ** math.floor(math.log10(value))
    return math.ceil(value / unit) * unit


def _side(frames: ComparedFrames, ssim: np.ndarray) -> SideSummary:
    mean = float(ssim.mean())
    return SideSummary(frames.name, len(frames.rows), None if math.isnan(mean) else mean, frames.facts)


def _shown(change: Changes, a: ComparedFrames, b: ComparedFrames) -> ShownChange:
    """Of one change."""
    label = b.label(change.b[0])
    small = None if label is None else narrowed(label, SHOWN_WIDTH)
    pictures = a.image_and_ssim(change.a[0])[0], b.image_and_ssim(change.b[0])[0]
    before, after = (narrowed(picture, SHOWN_WIDTH) for picture in pictures)
    return ShownChange(change[0], before, after, small)


def _difference(a: np.ndarray, b: np.ndarray) -> float:
    """The mean absolute difference of two images, uint8 (H, W, 3); B is brought to the size of A."""
    if a.shape != b.shape:
        b = np.asarray(Image.fromarray(b).resize((a.shape[1], a.shape[0]), Image.Resampling.BICUBIC))
    return float(np.abs(a.astype(np.int16) - b).mean())
