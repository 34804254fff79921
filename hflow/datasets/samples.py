"""A raw sample, read and found whole, or refused with the reason: what check and prepare both go by."""

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
from PIL import Image

from hflow.datasets.faults import label_reason
from hflow.datasets.images import open_upright, read_size, stored_size, turn_upright
from hflow.datasets.layouts.base import RawDataset, RawSample
from hflow.foundation.errors import HflowError

__all__ = ["ReadSample", "Size", "look_at_sample", "read_sample", "unread_fault"]

Size = tuple[int, int]


@dataclass(frozen=True)
class ReadSample:
    """A sample that is as it should be.

    Attributes:
        image: RGB, upright.
        ids: raw ids, uint8 (H, W), of the image's size; None in a split without labels.
        sha256: of the image's file.
    """

    image: Image.Image
    ids: np.ndarray | None
    sha256: str


def unread_fault(sample: RawSample, *, labelled: bool) -> str | None:
    """What is wrong with a sample by its names alone, in a split with or without labels."""
    if sample.fault:
        return sample.fault
    if sample.image is None:
        return "label without image"
    return "label missing" if labelled and sample.label is None else None


def look_at_sample(dataset: RawDataset, sample: RawSample, *, labelled: bool) -> Size:
    """The (width, height) of a sample's image, by the headers of its files.

    Raises:
        HflowError: a fault that shows in the names or the headers.
    """
    image = _image(sample, labelled=labelled)
    size, orientation = read_size(image)
    if labelled and sample.label:
        try:
            label_size, label_orientation = read_size(sample.label)
        except HflowError as error:
            raise HflowError(label_reason(dataset.name(sample.label), str(error))) from None
        _compare(size, orientation, stored_size(label_size, label_orientation), label_orientation)
    return size


def read_sample(dataset: RawDataset, sample: RawSample, *, labelled: bool) -> ReadSample:
    """A sample's image and label, both upright.

    Raises:
        HflowError: a fault of its names or its files.
    """
    path = _image(sample, labelled=labelled)
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise HflowError("is missing, or a link to nothing") from None
    except OSError as error:
        raise HflowError(f"can't be read: {error.strerror}") from None
    image, orientation = open_upright(content)
    if image.getcolors(1) is not None:
        raise HflowError("is of one colour")
    ids = None
    if labelled and sample.label:
        ids = _label(dataset, sample.label, image.size, orientation)
    return ReadSample(image, ids, sha256(content).hexdigest())


def _image(sample: RawSample, *, labelled: bool) -> Path:
    fault = unread_fault(sample, labelled=labelled)
    if fault:
        raise HflowError(fault)
    assert sample.image is not None
    return sample.image


def _label(dataset: RawDataset, path: Path, size: Size, orientation: int) -> np.ndarray:
    try:
        ids = dataset.read_label(path)
        _, label_orientation = read_size(path)
    except HflowError as error:
        raise HflowError(label_reason(dataset.name(path), str(error))) from None
    except OSError as error:
        raise HflowError(label_reason(dataset.name(path), f"can't be read: {error.strerror}")) from None
    _compare(size, orientation, (ids.shape[1], ids.shape[0]), label_orientation)
    return turn_upright(ids, orientation)


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
