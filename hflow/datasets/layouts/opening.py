"""A raw dataset by the name of its layout."""

from collections.abc import Callable, Mapping
from pathlib import Path

from hflow.datasets.layouts import cityscapes, folder, gta
from hflow.datasets.layouts.base import RawDataset
from hflow.foundation.errors import HflowError

__all__ = ["LAYOUTS", "open_raw"]

LAYOUTS: Mapping[str, Callable[[Path, str, str], RawDataset]] = {
    "gta": gta.scan,
    "cityscapes": cityscapes.scan,
    "folder": folder.scan,
}

_NEEDED = {"gta": "images", "cityscapes": "leftImg8bit"}


def open_raw(root: Path, layout: str, *, train: str = "train", val: str = "val") -> RawDataset:
    """Scan a raw dataset.

    Args:
        root: its folder.
        layout: a key of LAYOUTS.
        train, val: the names of the split folders, where the layout has them.

    Raises:
        HflowError: the root is missing, is of another layout, or has no image in its training split.
    """
    if not root.is_dir():
        raise HflowError(f"{root} is missing: put the dataset there or correct data.*.root in params.yaml")
    needed = _NEEDED.get(layout)
    if needed and not (root / needed).is_dir():
        other = next((name for name, place in _NEEDED.items() if (root / place).is_dir()), None)
        hint = f"; it looks like the layout {other!r}" if other else ""
        raise HflowError(f"{root} has no {needed}/, so it is not of the layout {layout!r}{hint}: correct params.yaml")
    dataset = LAYOUTS[layout](root, train, val)
    if not any(sample.image for sample in dataset.splits["train"]):
        raise HflowError(f"{root} has no image in its training split (layout {layout!r})")
    return dataset
