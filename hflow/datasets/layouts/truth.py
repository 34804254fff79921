"""The picture that each image is to become, in a folder beside the images."""

from dataclasses import replace
from pathlib import Path

from hflow.datasets.keys import printable
from hflow.datasets.layouts.base import RawDataset, RawSample
from hflow.datasets.layouts.carried import beside, images_folder
from hflow.datasets.listing import list_images
from hflow.foundation.errors import HflowError
from hflow.foundation.params import DomainParams

__all__ = ["with_truth"]


def with_truth(dataset: RawDataset, domain: DomainParams) -> RawDataset:
    """The dataset with the truth of each image from the folder `domain.truth`, whose files have the images' names, of
    whatever format.

    Raises:
        HflowError: a split has no such folder.
    """
    if domain.truth is None:
        return dataset
    splits = {split: _with_truth(dataset, samples, domain) for split, samples in dataset.splits.items()}
    return replace(dataset, splits=splits, has_truth=True)


def _with_truth(dataset: RawDataset, samples: list[RawSample], domain: DomainParams) -> list[RawSample]:
    images = images_folder(samples)
    if images is None or domain.truth is None:
        return samples
    place = "leftImg8bit" if domain.layout == "cityscapes" else domain.images
    folder = beside(dataset.root, images, place, domain.truth)
    if not folder.is_dir():
        raise HflowError(
            f"{folder} is missing, and data.source.truth names {domain.truth}: put it there or correct that"
        )
    files: dict[Path, Path] = {}
    twice: dict[Path, Path] = {}
    for path in list_images(folder):
        name = path.relative_to(folder).with_suffix("")
        (twice if name in files else files)[name] = path
    found = []
    for sample in samples:
        if sample.image is None:
            found.append(sample)
            continue
        name = sample.image.relative_to(images).with_suffix("")
        if name in twice:
            fault = f"truth there twice: {printable(twice[name].name)}; rename or remove one"
            found.append(replace(sample, fault=sample.fault or fault))
        else:
            found.append(replace(sample, truth=files.get(name)))
    return found
