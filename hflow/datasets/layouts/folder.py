"""A user's own dataset: images/, optional labels/, in the root or in a folder a split, or with a folder a split."""

import functools
from pathlib import Path

import numpy as np

from hflow.datasets.images import read_ids
from hflow.datasets.label_files import read_label_colours, read_red
from hflow.datasets.layouts.base import LABEL_SUFFIXES, RawDataset, endings, find_files, find_labels, pair_up
from hflow.datasets.layouts.class_tables import ClassTable, read_class_table
from hflow.datasets.layouts.label_colours import ids_of_colours
from hflow.datasets.listing import IMAGE_SUFFIXES
from hflow.foundation.errors import HflowError
from hflow.foundation.labels import IGNORE, TRAIN_CLASSES
from hflow.foundation.params import DomainParams

__all__ = ["read_label", "scan"]

_SPLIT_NAMES = {"train", "training", "val", "valid", "validation", "test", "testing"}


def scan(domain: DomainParams) -> RawDataset:
    """The splits ROOT/TRAIN/images and ROOT/VAL/images, or ROOT/images/TRAIN and ROOT/images/VAL, of which the second
    may be absent; or all images of ROOT/images as training. Labels lie in the same way.

    Raises:
        HflowError: there is none of these, or labels are there and the table of classes is missing or at fault.
    """
    root, places = domain.root, _places(domain)
    splits, labelled, notes = {}, [], []
    for split, (images_folder, labels_folder) in places.items():
        images = find_files(images_folder, endings(domain.image_ending, IMAGE_SUFFIXES))
        labels = find_labels(labels_folder, endings(domain.label_ending, LABEL_SUFFIXES))
        splits[split] = pair_up(images, labels)
        notes += images.note(images_folder.relative_to(root).as_posix())
        notes += labels.note(labels_folder.relative_to(root).as_posix())
        if labels_folder.is_dir():
            labelled.append(split)
    if labelled and len(labelled) < len(places):
        missing = next(place for split, (_, place) in places.items() if split not in labelled)
        notes.append(f"{missing.relative_to(root).as_posix()}/ is missing, so that split has no labels")
    table = _table(domain) if labelled else ClassTable({})
    read = functools.partial(read_label, label_from=domain.label_from, table=table)
    settings = ["folder", domain.label_from, sorted([*colour, raw_id] for colour, raw_id in table.colours.items())]
    return RawDataset(root, splits, labelled, table.names, read, settings, notes)


def read_label(path: Path, *, label_from: str, table: ClassTable) -> np.ndarray:
    """The raw ids of a label, uint8 (H, W).

    Raises:
        HflowError: the file can't be read, is of another kind than `label_from` says, or has a colour or a train id
            that no class has.
    """
    if label_from == "red":
        return read_red(path)
    if label_from == "colours":
        return ids_of_colours(read_label_colours(path), table.colours)
    ids = read_ids(path)
    if label_from == "train_ids":
        unknown = sorted(set(np.unique(ids).tolist()) - {*range(len(TRAIN_CLASSES)), IGNORE})
        if unknown:
            raise HflowError(f"has an unknown id: {unknown[0]} is not a train id of Cityscapes")
    return ids


def _table(domain: DomainParams) -> ClassTable:
    if domain.label_from == "train_ids":
        return ClassTable(dict(enumerate(TRAIN_CLASSES)))
    own = domain.root / "classes.yaml"
    if domain.classes is None and not own.is_file():
        raise HflowError(
            f"{domain.root} has labels and no classes.yaml that says what they mean: write one, a line each such as "
            "`7: road`, or name a table as classes; for train ids of Cityscapes set label_from to train_ids"
        )
    table = read_class_table(domain.classes or own)
    if domain.label_from == "colours" and not table.colours:
        raise HflowError(
            f"label_from is colours, and {domain.classes or own} has none: give each class its own, such as "
            "`road: {ids: [7], colours: [[128, 64, 128]]}`"
        )
    return table


def _places(domain: DomainParams) -> dict[str, tuple[Path, Path]]:
    """The folders of images and of labels of each split."""
    root, names = domain.root, {"train": domain.train, "val": domain.val}
    images, labels = root / domain.images, root / domain.labels
    if (images / domain.train).is_dir():
        if labels.is_dir() and not (labels / domain.train).is_dir():
            raise HflowError(f"{images} has a folder {domain.train}/ and {labels} has none: arrange them alike")
        places = {split: (images / name, labels / name) for split, name in names.items()}
    elif images.is_dir():
        found = sorted(p.name for p in images.iterdir() if p.is_dir() and p.name in {*_SPLIT_NAMES, domain.val})
        if found:
            raise HflowError(
                f"{images} has the folders {', '.join(found)}, which look like splits, and none named {domain.train}: "
                "name the splits as train and val"
            )
        places = {"train": (images, labels)}
    else:
        places = {split: (root / name / domain.images, root / name / domain.labels) for split, name in names.items()}
    if not places["train"][0].is_dir():
        raise HflowError(
            f"{root} has neither {domain.images}/ nor {domain.train}/{domain.images}/: put the images there, or "
            "name their folder as images"
        )
    return {split: folders for split, folders in places.items() if folders[0].is_dir()}
