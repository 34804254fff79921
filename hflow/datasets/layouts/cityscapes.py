"""The layout of Cityscapes: leftImg8bit/SPLIT/CITY/*_leftImg8bit.png, gtFine/SPLIT/CITY/*_gtFine_labelIds.png."""

from pathlib import Path

import numpy as np

from hflow.datasets.images import read_ids
from hflow.datasets.layouts.base import RawDataset, find_files, pair_up
from hflow.foundation.errors import HflowError
from hflow.foundation.labels import cityscapes_ids

__all__ = ["read_label", "scan"]


def scan(root: Path, train: str, val: str) -> RawDataset:
    """The splits of the given names; the validation split may be absent, and so may gtFine.

    Raises:
        HflowError: there is no training split of this name.
    """
    images, labels = root / "leftImg8bit", root / "gtFine"
    if not (images / train).is_dir():
        raise HflowError(f"{images / train} is missing: name the training split's folder in params.yaml")
    splits = {
        split: pair_up(
            find_files(images / folder, "_leftImg8bit.png"),
            find_files(labels / folder, "_gtFine_labelIds.png"),
        )
        for split, folder in (("train", train), ("val", val))
        if (images / folder).is_dir()
    }
    return RawDataset(root, splits, labels.is_dir(), cityscapes_ids(), read_label)


def read_label(path: Path) -> np.ndarray:
    """Cityscapes label ids, uint8 (H, W).

    Raises:
        HflowError: the file can't be read, or has an id that is not in the Cityscapes table.
    """
    ids = read_ids(path)
    unknown = sorted(set(np.unique(ids).tolist()) - set(cityscapes_ids()))
    if unknown:
        raise HflowError(f"the id {unknown[0]} is not a Cityscapes label id")
    return ids
