"""A user's own dataset: images/, optional labels/ of ids, in the root or in a folder a split; optional classes.yaml."""

from pathlib import Path

import yaml

from hflow.datasets.images import read_ids
from hflow.datasets.layouts.base import IMAGE_SUFFIXES, RawDataset, find_files, pair_up
from hflow.foundation.errors import HflowError

__all__ = ["read_classes", "scan"]


def scan(root: Path, train: str, val: str) -> RawDataset:
    """The splits ROOT/TRAIN and ROOT/VAL, of which the second may be absent; or the root's own images as training.

    Raises:
        HflowError: neither ROOT/images nor ROOT/TRAIN/images is there, or classes.yaml is at fault.
    """
    if (root / "images").is_dir():
        folders = {"train": root}
    elif (root / train / "images").is_dir():
        folders = {"train": root / train, "val": root / val}
    else:
        raise HflowError(f"{root} has neither images/ nor {train}/images/: put the images there or correct params.yaml")
    splits = {
        split: pair_up(find_files(folder / "images", IMAGE_SUFFIXES), find_files(folder / "labels", ".png"))
        for split, folder in folders.items()
        if (folder / "images").is_dir()
    }
    labelled = any((folder / "labels").is_dir() for folder in folders.values())
    return RawDataset(root, splits, labelled, read_classes(root / "classes.yaml"), read_ids)


def read_classes(path: Path) -> dict[int, str] | None:
    """Raw id to class name from a YAML mapping; None where there is no such file.

    Raises:
        HflowError: the file is not a mapping of ids from 0 to 255 to names.
    """
    if not path.is_file():
        return None
    try:
        classes = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise HflowError(f"{path} is not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(classes, dict) or not all(
        isinstance(raw, int) and 0 <= raw <= 255 and isinstance(name, str) for raw, name in classes.items()
    ):
        raise HflowError(f"{path} must map raw ids from 0 to 255 to class names, a line each, such as `7: road`")
    return classes
