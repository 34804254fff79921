"""A raw dataset by the name of its layout, and both domains of params.yaml together."""

from collections.abc import Callable, Mapping

from hflow.datasets.layouts import cityscapes, folder, gta
from hflow.datasets.layouts.base import RawDataset
from hflow.datasets.layouts.carried import with_carried
from hflow.datasets.layouts.truth import with_truth
from hflow.foundation.errors import DatasetError, HflowError
from hflow.foundation.params import DataParams, DomainParams

__all__ = ["LAYOUTS", "open_domains", "open_raw"]

LAYOUTS: Mapping[str, Callable[[DomainParams], RawDataset]] = {
    "gta": gta.scan,
    "cityscapes": cityscapes.scan,
    "folder": folder.scan,
}

_NEEDED = {"gta": "images", "cityscapes": "leftImg8bit"}


def open_raw(domain: DomainParams) -> RawDataset:
    """Scan a raw dataset.

    Raises:
        HflowError: the root is missing, is of another layout, has no image in its training split, or lacks a folder of
            what is to be carried or of the truth.
    """
    root, layout = domain.root, domain.layout
    if root.exists() and not root.is_dir():
        raise DatasetError(f"{root} is a file, not a folder: name the folder of a dataset")
    if not root.is_dir():
        raise DatasetError(f"{root} is missing: put the dataset there, or name the folder that it lies in")
    needed = _NEEDED.get(layout)
    if needed and not (root / needed).is_dir():
        other = next((name for name, place in _NEEDED.items() if (root / place).is_dir()), None)
        hint = f"; it looks like the layout {other!r}" if other else ""
        raise DatasetError(
            f"{root} has no {needed}/, so it is not of the layout {layout!r}{hint}: name its layout, or another folder"
        )
    dataset = LAYOUTS[layout](domain)
    if not any(sample.image for sample in dataset.splits["train"]):
        found = f"; {dataset.notes[0]}" if dataset.notes else ""
        raise DatasetError(f"{root} has no image in its training split (layout {layout!r}){found}")
    return with_truth(with_carried(dataset, domain), domain)


def open_domains(data: DataParams) -> dict[str, RawDataset]:
    """The domains source and target, scanned, with labels that agree with `data.classes`.

    Raises:
        HflowError: either can't be opened, or there is a class that no label can have; all faults are named.
    """
    opened, faults = {}, []
    for name, domain in (("source", data.source), ("target", data.target)):
        try:
            opened[name] = open_raw(domain)
        except HflowError as error:
            faults.append(f"data.{name}: {error}")
    labelled = {name: set(raw.raw_classes.values()) for name, raw in opened.items() if raw.labelled}
    for name, known in labelled.items():
        if not known & set(data.classes):
            faults.append(f"data.classes names none of the classes of data.{name} ({', '.join(sorted(known))})")
    nowhere = sorted(set(data.classes) - set().union(*labelled.values())) if labelled and len(opened) == 2 else []
    if nowhere:
        names = ", ".join(sorted(set().union(*labelled.values())))
        faults.append(f"data.classes names {', '.join(nowhere)}, which no label has; the labels have {names}")
    if faults:
        raise DatasetError("; ".join(faults))
    return opened
