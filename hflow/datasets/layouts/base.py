"""What every raw layout gives: its samples by split, and how to read its labels."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hflow.foundation.errors import HflowError

__all__ = ["IMAGE_SUFFIXES", "RawDataset", "RawSample", "find_files", "pair_up"]

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")


@dataclass(frozen=True)
class RawSample:
    """An image and its label as they lie in a raw dataset.

    `key` is the image's name without its suffix, folders kept. An image without label has `label` None; a label
    without image has `image` None.
    """

    key: str
    image: Path | None
    label: Path | None


@dataclass(frozen=True)
class RawDataset:
    """A raw dataset, scanned but not read.

    Attributes:
        root: the folder that paths in messages and manifests are relative to.
        splits: the samples of "train" and, where there is one, of "val", sorted by key.
        labelled: whether the dataset has labels, so that an image without one is at fault.
        raw_classes: class name of each raw label id; None where raw ids are train ids already.
        read_label: gives the raw ids, uint8 (H, W), of a label file; raises HflowError where it is at fault.
    """

    root: Path
    splits: Mapping[str, list[RawSample]]
    labelled: bool
    raw_classes: Mapping[int, str] | None
    read_label: Callable[[Path], np.ndarray]


def find_files(folder: Path, ending: str | tuple[str, ...]) -> dict[str, Path]:
    """Files below `folder` whose name has the ending, by key: the path relative to `folder` without that ending.

    Raises:
        HflowError: two files share a key.
    """
    endings = (ending,) if isinstance(ending, str) else ending
    found: dict[str, Path] = {}
    for path in sorted(folder.rglob("*")):
        suffix = next((e for e in endings if path.name.lower().endswith(e.lower())), None)
        if suffix is None or path.name.startswith(".") or not path.is_file():
            continue
        key = path.relative_to(folder).as_posix()[: -len(suffix)]
        if key in found:
            raise HflowError(f"{found[key]} and {path} share the key {key!r}: rename or remove one")
        found[key] = path
    return found


def pair_up(images: Mapping[str, Path], labels: Mapping[str, Path]) -> list[RawSample]:
    """Images and labels of the same key as samples, sorted by key; a key that has only one of the two is kept."""
    keys: Iterable[str] = sorted(images.keys() | labels.keys())
    return [RawSample(key, images.get(key), labels.get(key)) for key in keys]
