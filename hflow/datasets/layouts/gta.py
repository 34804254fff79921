"""The layout of GTA5 (Playing for Data, Richter et al. 2016): images/NNNNN.png, labels/NNNNN.png in colours."""

from pathlib import Path

import numpy as np

from hflow.datasets.images import open_image
from hflow.datasets.layouts.base import IMAGE_SUFFIXES, RawDataset, find_files, pair_up
from hflow.foundation.labels import cityscapes_ids, colours_to_ids

__all__ = ["read_label", "scan"]


def scan(root: Path, _train: str, _val: str) -> RawDataset:
    """Every frame of the dataset as its training split; the layout has no other."""
    labels = root / "labels"
    samples = pair_up(find_files(root / "images", IMAGE_SUFFIXES), find_files(labels, ".png"))
    return RawDataset(root, {"train": samples}, labels.is_dir(), cityscapes_ids(), read_label)


def read_label(path: Path) -> np.ndarray:
    """Cityscapes label ids, uint8 (H, W), of a label in the official colours, as RGB or with a palette.

    Raises:
        HflowError: the file can't be read, or has a colour that no class has.
    """
    return colours_to_ids(np.asarray(open_image(path).convert("RGB")))
