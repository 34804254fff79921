"""Whether a folder is the dataset that it should be, in seconds: counts, sizes, classes found, faults by kind."""

from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from hflow.datasets.faults import group_faults
from hflow.datasets.layouts.base import RawDataset, RawSample
from hflow.datasets.layouts.opening import open_raw
from hflow.datasets.layouts.recognition import suggest_params
from hflow.datasets.samples import ReadSample, Size, look_at_sample, read_sample, unread_fault
from hflow.foundation.errors import HflowError
from hflow.foundation.evenly_spaced import evenly_spaced
from hflow.foundation.frame_size import MOST_PIXELS
from hflow.foundation.params import DomainParams

__all__ = ["FULL", "Inspection", "inspect_dataset"]

FULL: Mapping[str, Mapping[str, int]] = {
    "gta": {"train": 24966},
    "cityscapes": {"train": 2975, "val": 500},
}
"""Images a split in the official datasets (Richter et al. 2016; Cordts et al. 2016)."""

READ, HEADERS = 24, 400


@dataclass(frozen=True)
class Inspection:
    """What was found.

    Attributes:
        images, labelled: counts by split; `labelled` of those that have both.
        sizes: (width, height) to how many of the images looked at have it, the most frequent first.
        classes: share of the pixels of each class, in the labels that were read; the largest first.
        read, headers: how many samples were read whole, and of how many the header only.
        at_fault: how many of those have a fault.
        faults: a line a kind of fault, the most frequent first, with its count and three examples.
        notes: what was found and is not read.
        suggestions: parameters that would read what is refused so.
    """

    images: Mapping[str, int]
    labelled: Mapping[str, int]
    sizes: Mapping[Size, int]
    classes: Mapping[str, float]
    read: int
    headers: int
    at_fault: int
    faults: Sequence[str]
    notes: Sequence[str]
    suggestions: Sequence[str]


def inspect_dataset(domain: DomainParams, *, whole: bool = False, max_pixels: int = MOST_PIXELS) -> Inspection:
    """Look at a raw dataset: all names, the headers of some hundred files, and the pixels of a few.

    Args:
        domain: where it lies, and how.
        whole: read every file; that takes as long as preparing does, and finds what preparing rejects.
        max_pixels: of an image; one that has more is at fault.

    Raises:
        HflowError: the root is missing, is of another layout, or has no images.
    """
    dataset = open_raw(domain)
    every = [(sample, split in dataset.labelled) for split, samples in dataset.splits.items() for sample in samples]
    faults: dict[int, tuple[str, str]] = {}  # name and reason, by the sample's number
    pairs: list[int] = []
    for number, (sample, labelled) in enumerate(every):
        fault = unread_fault(dataset, sample, labelled=labelled)
        if fault:
            faults[number] = (_name(dataset, sample), fault)
        else:
            pairs.append(number)
    headers = pairs if whole else evenly_spaced(pairs, HEADERS)
    read = pairs if whole else evenly_spaced(pairs, READ)
    sizes: Counter[Size] = Counter()
    pixels = np.zeros(256, np.int64)

    def look(number: int) -> Size | HflowError:
        sample, labelled = every[number]
        try:
            return look_at_sample(dataset, sample, labelled=labelled, max_pixels=max_pixels)
        except HflowError as error:
            return error

    def load(number: int) -> ReadSample | HflowError:
        sample, labelled = every[number]
        try:
            return read_sample(dataset, sample, labelled=labelled, max_pixels=max_pixels)
        except HflowError as error:
            return error

    with ThreadPoolExecutor() as pool:
        for number, size in zip(headers, pool.map(look, headers), strict=True):
            if isinstance(size, HflowError):
                faults[number] = (_name(dataset, every[number][0]), str(size))
            else:
                sizes[size] += 1
        for number, counts in zip(read, pool.map(lambda n: _counted(load(n)), read), strict=True):
            if isinstance(counts, HflowError):
                faults[number] = (_name(dataset, every[number][0]), str(counts))
            else:
                pixels += counts
    return Inspection(
        images={split: sum(s.image is not None for s in samples) for split, samples in dataset.splits.items()},
        labelled={split: sum(bool(s.image and s.label) for s in samples) for split, samples in dataset.splits.items()},
        sizes=dict(sizes.most_common()),
        classes=_shares(dataset, pixels),
        read=len(read),
        headers=len(headers),
        at_fault=len(faults),
        faults=group_faults(faults[number] for number in sorted(faults)),
        notes=dataset.notes,
        suggestions=suggest_params(domain, dataset) if faults else [],
    )


def _counted(read: ReadSample | HflowError) -> np.ndarray | HflowError:
    """How many pixels of each raw id the label has, (256,)."""
    if isinstance(read, HflowError):
        return read
    return np.bincount(read.ids.ravel(), minlength=256) if read.ids is not None else np.zeros(256, np.int64)


def _shares(dataset: RawDataset, pixels: np.ndarray) -> dict[str, float]:
    """The share of each class, the largest first; several ids may be of one."""
    counts: Counter[str] = Counter()
    for raw_id in np.flatnonzero(pixels):
        counts[dataset.raw_classes.get(int(raw_id), f"id {raw_id}")] += int(pixels[raw_id])
    return {name: count / counts.total() for name, count in counts.most_common()}


def _name(dataset: RawDataset, sample: RawSample) -> str:
    path = sample.image or sample.label
    assert path is not None
    return dataset.name(path)
