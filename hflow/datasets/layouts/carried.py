"""What else lies beside an image and is handed on as it is: instances, depth, boxes, cameras."""

from dataclasses import replace
from pathlib import Path

from hflow.datasets.keys import printable
from hflow.datasets.layouts.base import RawDataset, RawSample
from hflow.datasets.listing import list_files
from hflow.foundation.errors import HflowError
from hflow.foundation.params import DomainParams

__all__ = ["beside", "cityscapes_place", "images_folder", "with_carried"]

_BESIDE_LABELS = {"instances": "instanceIds", "polygons": "polygons"}


def cityscapes_place(name: str, annotations: str = "gtFine") -> tuple[str, str]:
    """The folder and the ending that Cityscapes has for a kind of files: `("disparity", "_disparity")`.

    Args:
        name: the kind. Instances and polygons lie beside the labels, any other kind in a folder of its own name.
        annotations: the folder of labels.
    """
    if name in _BESIDE_LABELS:
        return annotations, f"_{annotations}_{_BESIDE_LABELS[name]}"
    return name, f"_{name}"


def with_carried(dataset: RawDataset, domain: DomainParams) -> RawDataset:
    """The dataset with the files of each kind that `domain.carry` names, by their image's key.

    Raises:
        HflowError: a split has no folder of that kind.
    """
    if not domain.carry:
        return dataset
    splits = {split: list(samples) for split, samples in dataset.splits.items()}
    for samples in splits.values():
        for name in domain.carry:
            files, twice = _find(dataset, samples, domain, name)
            for number, sample in enumerate(samples):
                if sample.key in twice:
                    fault = f"{name} there twice: {printable(twice[sample.key].name)}; rename or remove one"
                    samples[number] = replace(sample, fault=sample.fault or fault)
                elif sample.key in files:
                    samples[number] = replace(sample, carried={**sample.carried, name: files[sample.key]})
    return replace(dataset, splits=splits, carried=domain.carry)


def _find(
    dataset: RawDataset, samples: list[RawSample], domain: DomainParams, name: str
) -> tuple[dict[str, Path], dict[str, Path]]:
    """The files of a kind by key, whatever suffix they have, and those that share a key with another."""
    images_of_split = images_folder(samples)
    if images_of_split is None:
        return {}, {}
    images, place, ending = domain.images, name, ""
    if domain.layout == "cityscapes":
        images = "leftImg8bit"
        place, ending = cityscapes_place(name)
        if not beside(dataset.root, images_of_split, images, place).is_dir():
            place, ending = cityscapes_place(name, "gtCoarse")
    folder = beside(dataset.root, images_of_split, images, place)
    if not folder.is_dir():
        raise HflowError(f"{folder} is missing, and data.source.carry names {name}: put it there or correct that")
    files: dict[str, Path] = {}
    twice: dict[str, Path] = {}
    for path in list_files(folder):
        stem = path.relative_to(folder).with_suffix("").as_posix()
        if stem.endswith(ending):
            key = stem.removesuffix(ending)
            (twice if key in files else files)[key] = path
    return files, twice


def images_folder(samples: list[RawSample]) -> Path | None:
    """The folder that the keys of a split are relative to; None where it has no image."""
    return next((s.image.parents[s.key.count("/")] for s in samples if s.image), None)


def beside(root: Path, images_of_split: Path, images: str, place: str) -> Path:
    """The folder that lies as a split's folder of images does, but with `place` for `images`."""
    below = f"/{images_of_split.relative_to(root).as_posix()}/"
    return root / below.replace(f"/{images}/", f"/{place}/", 1).strip("/")
