"""A raw sample, read and found whole, or refused with the reason: what check and prepare both go by."""

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from hflow.datasets.carried import carried_value
from hflow.datasets.faults import label_reason
from hflow.datasets.images import open_rgb, open_upright, read_fault, read_size, stored_size, turn_upright
from hflow.datasets.keys import printable
from hflow.datasets.layouts.base import RawDataset, RawSample
from hflow.datasets.listing import IMAGE_SUFFIXES
from hflow.foundation.errors import HflowError
from hflow.foundation.frame_size import MOST_PIXELS

__all__ = ["ReadSample", "Size", "look_at_sample", "most_bytes", "read_sample", "unread_fault"]

Size = tuple[int, int]


@dataclass(frozen=True)
class ReadSample:
    """A sample that is as it should be.

    Attributes:
        image: RGB, upright.
        ids: raw ids, uint8 (H, W), of the image's size; None in a split without labels.
        sha256: of the image's file.
        carried: what is handed on with it, as a column CARRIED holds it.
        truth: what the image is to become, RGB, upright, of its size; None in a dataset without.
    """

    image: Image.Image
    ids: np.ndarray | None
    sha256: str
    carried: list[dict[str, Any]] | None
    truth: Image.Image | None = None


def unread_fault(dataset: RawDataset, sample: RawSample, *, labelled: bool) -> str | None:
    """What is wrong with a sample by its names alone, in a split with or without labels."""
    if sample.fault:
        return sample.fault
    if sample.image is None:
        return "label without image"
    if labelled and sample.label is None:
        return "label missing"
    if dataset.has_truth and sample.truth is None:
        return "truth missing"
    return next((f"{name} missing" for name in dataset.carried if name not in sample.carried), None)


def look_at_sample(dataset: RawDataset, sample: RawSample, *, labelled: bool, max_pixels: int = MOST_PIXELS) -> Size:
    """The (width, height) of a sample's image, of at most so many pixels, by the headers of its files.

    Raises:
        HflowError: a fault that shows in the names or the headers.
    """
    image = _image(dataset, sample, labelled=labelled)
    size, orientation = read_size(image, max_pixels=max_pixels)
    _check_carried(dataset, sample, size, orientation)
    if labelled and sample.label:
        _look_at_label(dataset, sample.label, size, orientation)
    if sample.truth:
        _look_at_truth(dataset, sample.truth, size)
    return size


def most_bytes(sample: RawSample, size: Size | None) -> int:
    """The bytes that a sample takes at most, image, truth and two label maps as PNG, and what is carried with it.

    Args:
        size: (width, height) that it is resized to; None leaves the image's own, by its header, and nothing is counted
            of one that has none, since it is rejected.
    """
    carried = sum(path.stat().st_size for path in sample.carried.values() if path.is_file())
    if size is None:
        try:
            size = read_size(sample.image)[0] if sample.image else (0, 0)
        except (HflowError, OSError):
            size = 0, 0
    return (8 if sample.truth else 5) * size[0] * size[1] + carried


def read_sample(dataset: RawDataset, sample: RawSample, *, labelled: bool, max_pixels: int = MOST_PIXELS) -> ReadSample:
    """A sample's image, of at most so many pixels, label and truth, all upright, and what is carried with them.

    Raises:
        HflowError: a fault of its names or its files; a PassingError where the system can't read one now.
    """
    path = _image(dataset, sample, labelled=labelled)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise read_fault(error) from None
    image, orientation = open_upright(content, max_pixels=max_pixels)
    if image.getcolors(1) is not None:
        raise HflowError("is of one colour")
    ids = None
    if labelled and sample.label:
        ids = _label(dataset, sample.label, image.size, orientation)
    _check_carried(dataset, sample, image.size, orientation)
    try:
        carried = carried_value(sample.carried)
    except OSError as error:
        reason = f"can't be carried whole: {printable(str(error.filename))}: {error.strerror}"
        raise type(read_fault(error))(reason) from None
    truth = _truth(dataset, sample.truth, image.size) if sample.truth else None
    return ReadSample(image, ids, sha256(content).hexdigest(), carried, truth)


def _image(dataset: RawDataset, sample: RawSample, *, labelled: bool) -> Path:
    fault = unread_fault(dataset, sample, labelled=labelled)
    if fault:
        raise HflowError(fault)
    assert sample.image is not None
    return sample.image


def _label(dataset: RawDataset, path: Path, size: Size, orientation: int) -> np.ndarray:
    # First, so that no label is decoded that is larger than its image.
    _look_at_label(dataset, path, size, orientation)
    try:
        ids = dataset.read_label(path)
    except (HflowError, OSError) as error:
        raise _label_fault(dataset, path, error) from None
    return turn_upright(ids, orientation)


def _look_at_label(dataset: RawDataset, path: Path, size: Size, orientation: int) -> None:
    """See by its header that a label is stored as its image is."""
    try:
        label_size, label_orientation = read_size(path)
    except HflowError as error:
        raise _label_fault(dataset, path, error) from None
    _compare(size, orientation, stored_size(label_size, label_orientation), label_orientation)


def _label_fault(dataset: RawDataset, path: Path, error: HflowError | OSError) -> HflowError:
    fault = read_fault(error) if isinstance(error, OSError) else error
    return type(fault)(label_reason(dataset.name(path), str(fault)))


def _truth(dataset: RawDataset, path: Path, size: Size) -> Image.Image:
    # First, so that no truth is decoded that is larger than its image.
    _look_at_truth(dataset, path, size)
    try:
        return open_rgb(path)
    except HflowError as error:
        raise _truth_fault(dataset, path, error) from None


def _look_at_truth(dataset: RawDataset, path: Path, size: Size) -> None:
    """See by its header that a truth is as large as its image, both upright."""
    try:
        (width, height), _ = read_size(path)
    except HflowError as error:
        raise _truth_fault(dataset, path, error) from None
    if (width, height) != size:
        raise HflowError(f"truth of another size: the truth is {width}x{height}, the image {size[0]}x{size[1]}")


def _truth_fault(dataset: RawDataset, path: Path, error: HflowError) -> HflowError:
    kind, _, detail = str(error).partition(": ")
    return type(error)(f"truth {kind}: {dataset.name(path)}{': ' if detail else ''}{detail}")


def _check_carried(dataset: RawDataset, sample: RawSample, size: Size, orientation: int) -> None:
    """See that what is carried lies on the image as it is: images are as large, and nothing is turned."""
    if sample.carried and orientation != 1:
        raise HflowError(
            f"turned by its EXIF, what is carried with it is not: orientation {orientation}, store it upright"
        )
    for name, path in sample.carried.items():
        if path.suffix.lower() not in IMAGE_SUFFIXES:
            continue
        try:
            (width, height), turned = read_size(path)
        except HflowError as error:
            raise type(error)(f"{name} {error}: {dataset.name(path)}") from None
        if (width, height) != size or turned != 1:
            raise HflowError(f"{name} of another size: it is {width}x{height}, the image {size[0]}x{size[1]}")


def _compare(size: Size, orientation: int, label_size: Size, label_orientation: int) -> None:
    """See that a label is stored as its image is: as large, and turned the same way if it says so.

    Args:
        size: of the image, upright.
        orientation: of the image in its file, as EXIF counts.
        label_size: of the label in its file.
        label_orientation: 1 where the label says nothing.
    """
    width, height = stored_size(size, orientation)
    if orientation != label_orientation and label_orientation != 1:
        raise HflowError(
            f"label turned otherwise than its image: EXIF orientation {label_orientation}, the image {orientation}"
        )
    if label_size != (width, height):
        turned = f", stored so and turned by its EXIF orientation {orientation}" if orientation != 1 else ""
        raise HflowError(
            f"label of another size: the label is {label_size[0]}x{label_size[1]}, the image {width}x{height}{turned}"
        )
