"""What segmenters are sure of becomes a label, and a dataset of such labels says what it is."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from hflow.datasets.images import decode_ids, encode_png
from hflow.datasets.manifest import PSEUDO_LABELLED, read_manifest
from hflow.datasets.shards import PREPARED_SCHEMA, image_value, write_shard
from hflow.datasets.verification import verify
from hflow.export.writing import export
from hflow.foundation.atomic_folders import publish
from hflow.foundation.finished_work import Finished
from hflow.foundation.hashes import sha256_file
from hflow.foundation.labels import IGNORE, TRAIN_CLASSES
from hflow.segmentation.pseudo_labels import label_photographs, pseudo_labelled_dataset, sure_labels
from tests.pictures import random_picture

CLASSES = ("road", "sky", "car")
CPU = torch.device("cpu")


class Sees(nn.Module):
    """Gives every pixel of the left half these probabilities, and is of all classes alike in the right half."""

    def __init__(self, *probabilities: float):
        super().__init__()
        self.logits = torch.tensor(probabilities).log()[:, None, None]

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        logits = torch.zeros(len(images), len(self.logits), *images.shape[2:])
        logits[..., : images.shape[3] // 2] = self.logits
        return {"out": logits}


@pytest.mark.parametrize(
    ("networks", "threshold", "label"),
    [
        ([Sees(0.05, 0.9, 0.05)], 0.8, 1),
        ([Sees(0.05, 0.9, 0.05)], 0.95, IGNORE),
        ([Sees(0.05, 0.9, 0.05), Sees(0.05, 0.05, 0.9)], 0.8, IGNORE),  # each sure, and of another class
        ([Sees(0.02, 0.96, 0.02), Sees(0.1, 0.7, 0.2)], 0.8, 1),
    ],
)
def test_a_pixel_has_the_class_of_which_all_together_are_sure(
    networks: list[nn.Module], threshold: float, label: int
) -> None:
    ids = sure_labels(networks, random_picture(0), threshold, CPU)
    half = ids.shape[1] // 2
    assert set(ids[:, :half].ravel()) == {label}
    assert set(ids[:, half:].ravel()) == {IGNORE}


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """Of two photographs, one of which came with a label that nobody is to see."""
    given = image_value(encode_png(np.zeros((24, 48), np.uint8)), "a.png")
    rows = []
    for number in range(2):
        image = image_value(encode_png(random_picture(number)), f"{number}.png")
        row = {"key": f"{number}", "image": image, "width": 48, "height": 24, "source_path": "", "source_sha256": ""}
        rows.append(row | dict.fromkeys(("label", "label_train_ids"), given if number else None))
    write_shard(tmp_path / "shard-0.parquet", rows, PREPARED_SCHEMA)
    made = tmp_path / "labels"
    note = label_photographs(made, [Sees(0.05, 0.9, 0.05)], [tmp_path / "shard-0.parquet"], 0.8, CPU, "label")
    assert note == {"photographs": 2, "labelled": 0.5}
    labels = Finished(made, sha256_file(made), note)
    files = pseudo_labelled_dataset(labels, CLASSES, model="segmenters", teachers="t", params="p", code="c")
    publish(files, tmp_path / "dataset")
    return tmp_path / "dataset"


def test_a_dataset_of_them_is_whole_and_marked(dataset: Path) -> None:
    verified = verify(dataset)
    assert not verified.faults
    rows = read_manifest(dataset / "manifest.parquet").rows
    assert {row["status"] for row in rows} == {PSEUDO_LABELLED}
    assert not read_manifest(dataset / "manifest.parquet").translated


def test_an_export_says_that_they_are_no_truth_and_has_the_official_ids(dataset: Path, tmp_path: Path) -> None:
    export(dataset, tmp_path / "out", layout="gta")
    card = (tmp_path / "out/README.md").read_text()
    assert "Photographs with pseudo-labels" in card
    assert "no ground truth" in card
    ids = decode_ids((tmp_path / "out/labels/0_labelTrainIds.png").read_bytes())
    assert set(ids.ravel()) == {TRAIN_CLASSES.index("sky"), IGNORE}
    assert not (tmp_path / "out/labels/1.png").exists()
    assert json.loads((tmp_path / "out/sample_class_stats.json").read_text())[0].keys() == {"10", "file"}
    export(dataset, tmp_path / "city", layout="cityscapes")
    with (tmp_path / "city/keys.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 2
