"""The layout of Cityscapes: leftImg8bit/SPLIT/CITY/*_leftImg8bit.png, gtFine/SPLIT/CITY/*_gtFine_labelIds.png."""

from pathlib import Path

import numpy as np

from hflow.datasets.images import read_ids
from hflow.datasets.layouts.base import LABEL_SUFFIXES, RawDataset, endings, find_files, find_labels, pair_up
from hflow.datasets.listing import IMAGE_SUFFIXES
from hflow.foundation.errors import HflowError
from hflow.foundation.labels import cityscapes_ids
from hflow.foundation.params import DomainParams

__all__ = ["read_label", "scan"]


def scan(domain: DomainParams) -> RawDataset:
    """The splits of the names that params.yaml gives; the validation split may be absent.

    A split's labels are those in gtFine, else those in gtCoarse (train_extra has no others); without both it has none.

    Raises:
        HflowError: there is no training split of this name.
    """
    root, images = domain.root, domain.root / "leftImg8bit"
    if not (images / domain.train).is_dir():
        raise HflowError(f"{images / domain.train} is missing: say by train what the training split is called")
    splits, labelled, notes = {}, [], []
    for split, folder in (("train", domain.train), ("val", domain.val)):
        if not (images / folder).is_dir():
            continue
        kind = next((kind for kind in ("gtFine", "gtCoarse") if (root / kind / folder).is_dir()), None)
        pictures = find_files(images / folder, endings("_leftImg8bit", IMAGE_SUFFIXES))
        labels = find_labels(root / str(kind) / folder, endings(f"_{kind}_labelIds", LABEL_SUFFIXES))
        splits[split] = pair_up(pictures, labels)
        notes += pictures.note(f"leftImg8bit/{folder}")
        if kind:
            labelled.append(split)
        if kind == "gtCoarse":
            notes.append(f"the labels of {folder} are those of gtCoarse: there is no gtFine/{folder}")
        if not kind and any((root / kind).is_dir() for kind in ("gtFine", "gtCoarse")):
            notes.append(f"{folder} has no labels: there is neither gtFine/{folder} nor gtCoarse/{folder}")
    return RawDataset(root, splits, labelled, cityscapes_ids(), read_label, ["cityscapes"], notes)


def read_label(path: Path) -> np.ndarray:
    """Cityscapes label ids, uint8 (H, W).

    Raises:
        HflowError: the file can't be read, or has an id that is not in the Cityscapes table.
    """
    ids = read_ids(path)
    unknown = sorted(set(np.unique(ids).tolist()) - set(cityscapes_ids()))
    if unknown:
        raise HflowError(f"has an unknown id: the id {unknown[0]} is not a Cityscapes label id")
    return ids
