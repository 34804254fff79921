"""Which parameters would read the labels of a folder that are refused as they are read."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from hflow.datasets.images import open_image
from hflow.datasets.label_files import bits_per_channel
from hflow.datasets.layouts.base import RawDataset, RawSample
from hflow.datasets.layouts.class_tables import read_class_table
from hflow.foundation.errors import HflowError
from hflow.foundation.params import DomainParams

__all__ = ["suggest_params"]

_LOOKED_AT = 8
_CARLA_TAGS = 30


def suggest_params(domain: DomainParams, dataset: RawDataset) -> list[str]:
    """What to set in params.yaml for the layout `folder`, a line each; none where nothing is known."""
    samples = [sample for split in dataset.splits.values() for sample in split]
    labels = [sample.label for sample in samples if sample.label][:_LOOKED_AT]
    if domain.layout != "folder" or not labels:
        return []
    return [*_ending(samples), *dict.fromkeys(line for path in labels for line in _kind(path, domain.label_from))]


def _ending(samples: Sequence[RawSample]) -> list[str]:
    """Where no label has its image's name: what most label names have after it."""
    if any(sample.image and sample.label for sample in samples):
        return []
    images = {sample.key for sample in samples if sample.image}
    endings: Counter[str] = Counter()
    for key in (sample.key for sample in samples if sample.label):
        cut = next((end for end in range(len(key) - 1, 0, -1) if key[:end] in images), None)
        if cut:
            endings[key[cut:]] += 1
    if not endings:
        return []
    ending = endings.most_common(1)[0][0]
    kind = ", label_from: train_ids" if "train" in ending.lower() else ""
    return [f"the labels have the names of the images and {ending}: set label_ending: {ending}.png{kind}"]


def _kind(path: Path, label_from: str) -> list[str]:
    """What the pixels of a label look like, where that is not what `label_from` says."""
    try:
        image = open_image(path)
    except HflowError:
        return []
    if image.mode not in ("RGB", "RGBA"):
        return ["these labels hold numbers: set label_from: ids"] if label_from == "red" else []
    if label_from == "red":
        return []
    if bits_per_channel(path) == 16:
        return ["these look like SYNTHIA's labels, 16 bits a channel: set label_from: red, classes: synthia"]
    pixels = np.asarray(image)[..., :3]
    if pixels[..., 0].max() < _CARLA_TAGS:
        return ["these look like CARLA's camera, ids in the red channel: set label_from: red, classes: carla"]
    colours = {tuple(colour) for colour in np.unique(pixels.reshape(-1, 3), axis=0).tolist()}
    for name, tool in (("cityscapes", "Cityscapes"), ("carla", "CARLA's CityScapesPalette"), ("idd", "IDD")):
        if label_from != "colours" and colours <= read_class_table(name).colours.keys():
            return [f"these have the colours of {tool}: set label_from: colours, classes: {name}"]
    if label_from == "ids":
        return ["these hold colours: set label_from: colours and give each class its colours in classes.yaml"]
    return []
