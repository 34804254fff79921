"""What every raw layout gives: its samples by split, and how to read its labels."""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from hflow.datasets.keys import key_fault, printable
from hflow.datasets.listing import IMAGE_SUFFIXES, list_files

__all__ = ["LABEL_SUFFIXES", "FoundFiles", "RawDataset", "RawSample", "endings", "find_files", "find_labels", "pair_up"]

LABEL_SUFFIXES = (".png",)
_BESIDE_LABELS = ("_labelTrainIds.png",)


@dataclass(frozen=True)
class RawSample:
    """An image and its label as they lie in a raw dataset.

    `key` is the image's name without its ending, folders kept. An image without label has `label` None; a label
    without image has `image` None. `fault` is what is wrong with its name, if anything; `carried` has
    the files that are handed on with it, by kind; `truth` is the picture that the image is to become.
    """

    key: str
    image: Path | None
    label: Path | None
    fault: str | None = None
    carried: Mapping[str, Path] = field(default_factory=dict)
    truth: Path | None = None


@dataclass(frozen=True)
class RawDataset:
    """A raw dataset, scanned but not read.

    Attributes:
        root: the folder that paths in messages and manifests are relative to.
        splits: the samples of "train" and, where there is one, of "val", sorted by key.
        labelled: the splits that have labels, so that an image without one is at fault.
        raw_classes: class name of each raw label id.
        read_label: gives the raw ids, uint8 (H, W), of a label file; raises HflowError where it is at fault.
        label_settings: what `read_label` depends on beside the file, for fingerprints; values of JSON.
        notes: what was found and is not read, a line each.
        carried: the kinds of files that every image is to have beside it.
        has_truth: whether every image is to have a truth.
    """

    root: Path
    splits: Mapping[str, list[RawSample]]
    labelled: Collection[str]
    raw_classes: Mapping[int, str]
    read_label: Callable[[Path], np.ndarray]
    label_settings: Sequence[Any] = ()
    notes: Sequence[str] = ()
    carried: Sequence[str] = ()
    has_truth: bool = False

    def name(self, path: Path) -> str:
        """A file's name in messages and manifests."""
        return printable(path.relative_to(self.root).as_posix())


@dataclass(frozen=True)
class FoundFiles:
    """Files by key.

    Attributes:
        files: the one of each key, or the first where several share it.
        others: those that share a key with one in `files`.
        left: how many files have another suffix, by suffix.
    """

    files: Mapping[str, Path] = field(default_factory=dict)
    others: Mapping[str, list[Path]] = field(default_factory=dict)
    left: Mapping[str, int] = field(default_factory=dict)

    def note(self, place: str) -> list[str]:
        """A line that counts the files left out, if any."""
        counts = ", ".join(f"{number:,} {suffix}" for suffix, number in sorted(self.left.items()))
        return [f"{place} has files of formats that are not read: {counts}"] if counts else []


def endings(ending: str, suffixes: Sequence[str]) -> tuple[str, ...]:
    """What file names end in after the key: `ending`, with each of the suffixes where it has none."""
    return (ending,) if ending.lower().endswith(tuple(suffixes)) else tuple(ending + suffix for suffix in suffixes)


def find_files(folder: Path, ending: tuple[str, ...], *, passed_over: Sequence[str] = ()) -> FoundFiles:
    """Files below `folder` whose name has one of the endings, by key: the path relative to `folder` without it.

    Args:
        folder: may be missing, and then has no files.
        ending: in any case of letters.
        passed_over: endings of files that are known to lie beside them.

    Raises:
        HflowError: a folder can't be read, or links go in a circle.
    """
    files: dict[str, Path] = {}
    others: dict[str, list[Path]] = {}
    left: Counter[str] = Counter()
    skipped = tuple(e.lower() for e in passed_over if e not in ending)
    for path in list_files(folder) if folder.is_dir() else []:
        name = path.name.lower()
        suffix = next((e for e in ending if name.endswith(e.lower())), None)
        if skipped and name.endswith(skipped):
            continue
        if suffix is None:
            if path.suffix.lower() not in (*IMAGE_SUFFIXES, ".json"):
                left[path.suffix.lower() or "without suffix"] += 1
            continue
        key = path.relative_to(folder).as_posix()[: -len(suffix)]
        if key in files:
            others.setdefault(key, []).append(path)
        else:
            files[key] = path
    return FoundFiles(files, others, left)


def find_labels(folder: Path, ending: tuple[str, ...]) -> FoundFiles:
    """Label files; the train ids that other tools lay beside them are passed over."""
    return find_files(folder, ending, passed_over=_BESIDE_LABELS)


def pair_up(images: FoundFiles, labels: FoundFiles) -> list[RawSample]:
    """Images and labels of the same key as samples, sorted by key; a key that has only one of the two is kept."""
    samples = []
    for key in sorted(images.files.keys() | labels.files.keys()):
        fault = key_fault(key)
        reason = f"name that can't be a key: {fault}" if fault else None
        image = images.files.get(key)
        for other in images.others.get(key, []):
            assert image is not None
            reason = f"name that differs by its ending alone from another's: {printable(image.name)}"
            samples.append(RawSample(key, other, labels.files.get(key), f"{reason}; rename or remove one"))
        twice = "label of a key that another label has: rename or remove one"
        samples += [RawSample(key, None, label, twice) for label in labels.others.get(key, [])]
        if key in images.others:
            reason = f"name that differs by its ending alone from another's: {printable(images.others[key][0].name)}"
        samples.append(RawSample(key, image, labels.files.get(key), reason))
    return samples
