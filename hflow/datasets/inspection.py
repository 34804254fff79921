"""Whether a folder is the dataset that it should be, in seconds: counts, sizes, classes found, first faults."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from hflow.datasets.images import open_rgb
from hflow.datasets.layouts.base import RawDataset, RawSample
from hflow.datasets.layouts.opening import open_raw
from hflow.foundation.errors import HflowError
from hflow.foundation.evenly_spaced import evenly_spaced

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
        faults: the first of them, a line each.
    """

    images: Mapping[str, int]
    labelled: Mapping[str, int]
    sizes: Mapping[tuple[int, int], int]
    classes: Mapping[str, float]
    read: int
    headers: int
    at_fault: int
    faults: Sequence[str]


def inspect_dataset(
    root: Path, layout: str, *, train: str = "train", val: str = "val", whole: bool = False, shown: int = 10
) -> Inspection:
    """Look at a raw dataset: all names, the headers of some hundred files, and the pixels of a few.

    Args:
        root, layout, train, val: as for `open_raw`.
        whole: read every file; that takes as long as preparing does.
        shown: how many faults to list.

    Raises:
        HflowError: the root is missing, is of another layout, or has no images.
    """
    dataset = open_raw(root, layout, train=train, val=val)
    every = [sample for samples in dataset.splits.values() for sample in samples]
    pairs = [sample for sample in every if _is_paired(sample, dataset)]
    unpaired = [
        (sample, "has no label" if sample.image else "is a label without image")
        for sample in every
        if not _is_paired(sample, dataset)
    ]
    headers = pairs if whole else evenly_spaced(pairs, HEADERS)
    read = pairs if whole else evenly_spaced(pairs, READ)
    sizes: Counter[tuple[int, int]] = Counter()
    pixels = np.zeros(256, np.int64)
    faults = [f"{_name(dataset, sample)} {what}" for sample, what in unpaired]
    at_fault = {sample.key for sample, _ in unpaired}
    with ThreadPoolExecutor() as pool:
        for sample, (size, fault) in zip(headers, pool.map(_header, headers), strict=True):
            if size:
                sizes[size] += 1
            if fault:
                at_fault.add(sample.key)
                faults.append(f"{_name(dataset, sample)}: {fault}")
        for sample, (counts, fault) in zip(read, pool.map(lambda s: _read(dataset, s), read), strict=True):
            pixels += counts
            if fault and sample.key not in at_fault:
                at_fault.add(sample.key)
                faults.append(f"{_name(dataset, sample)}: {fault}")
    return Inspection(
        images={split: sum(s.image is not None for s in samples) for split, samples in dataset.splits.items()},
        labelled={split: sum(bool(s.image and s.label) for s in samples) for split, samples in dataset.splits.items()},
        sizes=dict(sizes.most_common()),
        classes=dict(_shares(dataset, pixels)),
        read=len(read),
        headers=len(headers),
        at_fault=len(at_fault),
        faults=faults[:shown],
    )


def _is_paired(sample: RawSample, dataset: RawDataset) -> bool:
    return sample.image is not None and (sample.label is not None or not dataset.labelled)


def _header(sample: RawSample) -> tuple[tuple[int, int] | None, str | None]:
    """The image's size, and a fault that shows without reading any pixel."""
    sizes = []
    for path in (sample.image, sample.label):
        if path is None:
            continue
        try:
            with Image.open(path) as image:
                sizes.append(image.size)
        except (OSError, SyntaxError, ValueError, UnidentifiedImageError):
            return None, f"{path.name} is no image that Pillow knows"
    if len(set(sizes)) > 1:
        (width, height), (label_width, label_height) = sizes
        return sizes[0], f"the label is {label_width}x{label_height}, the image {width}x{height}"
    return sizes[0], None


def _read(dataset: RawDataset, sample: RawSample) -> tuple[np.ndarray, str | None]:
    """How many pixels of each raw id the label has, and a fault of either file."""
    counts = np.zeros(256, np.int64)
    try:
        assert sample.image is not None
        if open_rgb(sample.image).getcolors(1) is not None:
            return counts, "is of one colour"
        if sample.label:
            counts = np.bincount(dataset.read_label(sample.label).ravel(), minlength=256)
    except HflowError as error:
        return counts, str(error)
    return counts, None


def _shares(dataset: RawDataset, pixels: np.ndarray) -> Iterator[tuple[str, float]]:
    names = dataset.raw_classes or {}
    total = max(int(pixels.sum()), 1)
    for raw_id in np.argsort(-pixels, kind="stable"):
        if pixels[raw_id]:
            yield names.get(int(raw_id), f"id {raw_id}"), float(pixels[raw_id] / total)


def _name(dataset: RawDataset, sample: RawSample) -> str:
    path = sample.image or sample.label
    assert path is not None
    return path.relative_to(dataset.root).as_posix()
