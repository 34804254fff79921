"""What segmenters are sure of becomes a label, and a dataset of such labels says what it is."""

import contextlib
import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from hflow.datasets.images import decode_ids, encode_png
from hflow.datasets.manifest import PSEUDO_LABELLED, read_manifest
from hflow.datasets.shard_records import shard_hashes
from hflow.datasets.shards import PREPARED_SCHEMA, image_value, read_rows, shard_files, write_shard
from hflow.datasets.verification import verify
from hflow.export.writing import export
from hflow.foundation.atomic_folders import publish
from hflow.foundation.errors import HflowError
from hflow.foundation.finished_work import WorkFolder
from hflow.foundation.hashes import sha256_file
from hflow.foundation.labels import IGNORE, TRAIN_CLASSES
from hflow.foundation.params import EncoderParams, LossParams, ModelParams, TrainParams
from hflow.segmentation.judge import Judge
from hflow.segmentation.pseudo_labels import (
    IMAGES,
    check_label_folder,
    label_counts,
    label_images,
    label_shards,
    pseudo_labelled_dataset,
    pseudo_labelled_shards,
    sure_labels,
)
from hflow.training.loop import train
from tests.conftest import Project
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


class Stopping(Sees):
    """Sees the same, and is stopped by Ctrl-C at the image after so many; `images` is how many it saw."""

    def __init__(self, until: int):
        super().__init__(0.05, 0.9, 0.05)
        self.images, self.until = 0, until

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        if self.images == self.until:
            raise KeyboardInterrupt
        self.images += 1
        return super().forward(images)


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
    labels = label_images(
        [tmp_path / "shard-0.parquet"],
        lambda: [Sees(0.05, 0.9, 0.05)],
        0.8,
        CPU,
        depends_on="them",
        folder=WorkFolder(tmp_path / "work"),
        title="label",
    )
    assert label_counts(labels) == {"images": 2, "labelled": 0.5}
    with pseudo_labelled_dataset(
        labels, CLASSES, work=tmp_path / "work", model="segmenters", teachers="t", params="p", code="c"
    ) as files:
        publish(files, tmp_path / "dataset")
    return tmp_path / "dataset"


def test_a_dataset_of_them_is_whole_and_marked(dataset: Path) -> None:
    verified = verify(dataset)
    assert not verified.faults
    rows = read_manifest(dataset / "manifest.parquet").rows
    assert {row["status"] for row in rows} == {PSEUDO_LABELLED}
    assert not read_manifest(dataset / "manifest.parquet").translated


def test_labels_may_be_written_over_labels_and_over_no_other_dataset(dataset: Path) -> None:
    check_label_folder(dataset)
    (dataset / IMAGES).unlink()
    with pytest.raises(HflowError, match="holds something else already"):
        check_label_folder(dataset)


def test_an_export_says_that_they_are_no_truth_and_has_the_official_ids(dataset: Path, tmp_path: Path) -> None:
    export(dataset, tmp_path / "out", layout="gta")
    card = (tmp_path / "out/README.md").read_text()
    assert "Images with pseudo-labels" in card
    assert "no ground truth" in card
    ids = decode_ids((tmp_path / "out/labels/0_labelTrainIds.png").read_bytes())
    assert set(ids.ravel()) == {TRAIN_CLASSES.index("sky"), IGNORE}
    assert not (tmp_path / "out/labels/1.png").exists()
    assert json.loads((tmp_path / "out/sample_class_stats.json").read_text())[0].keys() == {"10", "file"}
    export(dataset, tmp_path / "city", layout="cityscapes")
    with (tmp_path / "city/keys.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 2


@pytest.fixture
def photographs(tmp_path: Path) -> list[Path]:
    rows = [
        {"key": f"{n}", "image": image_value(encode_png(random_picture(n)), f"{n}.png"), "width": 48, "height": 24}
        | {"source_path": "", "source_sha256": "", "label": None, "label_train_ids": None}
        for n in range(3)
    ]
    files = [tmp_path / "shard-0.parquet", tmp_path / "shard-1.parquet"]
    for file, part in zip(files, (rows[:2], rows[2:]), strict=True):
        write_shard(file, part, PREPARED_SCHEMA)
    return files


def test_a_target_that_a_segmenter_labelled_takes_the_place_of_the_photographs(
    photographs: list[Path], tmp_path: Path
) -> None:
    judge = Judge(Sees(0.05, 0.9, 0.05), "", CLASSES, "its hash")
    out, work = tmp_path / "out", tmp_path / "work"
    counts = label_shards(judge, photographs, out, by="models/it", threshold=0.8, work=work, device=CPU)
    assert counts == {"images": 3, "labelled": 0.5}
    assert not verify(tmp_path / "out").faults
    assert {row["model"] for row in read_manifest(tmp_path / "out/manifest.parquet").rows} == {"models/it"}
    shards = pseudo_labelled_shards(tmp_path / "out", photographs, CLASSES)
    assert [shard.name for shard in shards] == [shard.name for shard in photographs]
    rows = [list(read_rows(shard)) for shard in shards]
    assert [[row["key"] for row in some] for some in rows] == [["0", "1"], ["2"]]
    labels = [decode_ids(row["label_train_ids"]["bytes"]) for some in rows for row in some]
    assert {i for ids in labels for i in ids.ravel()} == {1, IGNORE}


def test_a_run_that_was_stopped_labels_no_finished_shard_again(photographs: list[Path], tmp_path: Path) -> None:
    counts = []
    for network in (seen := [Stopping(2), Stopping(3), Stopping(0)]):
        judge = Judge(network, "", CLASSES, "its hash")
        out = tmp_path / f"out-{len(counts)}"
        with contextlib.suppress(KeyboardInterrupt):
            counts.append(
                label_shards(judge, photographs, out, by="it", threshold=0.8, work=tmp_path / "work", device=CPU)
            )
    assert [network.images for network in seen] == [2, 1, 0]
    assert counts == [{"images": 3, "labelled": 0.5}] * 2


def test_a_training_begins_without_reading_a_labelled_image(given: Project, tmp_path: Path) -> None:
    target = shard_files(given.prepared / "target/train")
    judge, labels = Judge(Sees(0.05, 0.9, 0.05), "", CLASSES, "its hash"), tmp_path / "labels"
    label_shards(judge, target, labels, by="it", threshold=0.8, work=tmp_path / "work", device=CPU)
    labelled = shard_files(labels / "train")
    hashes = [sha256_file(shard) for shard in labelled]
    for shard in (*target, *labelled):
        size = shard.stat().st_size
        shard.unlink()  # other names of the file keep its bytes
        shard.write_bytes(bytes(size))
    assert pseudo_labelled_shards(labels, target, CLASSES) == labelled
    assert shard_hashes(labelled) == hashes


def test_labels_of_other_photographs_and_none_at_all_are_refused(photographs: list[Path], tmp_path: Path) -> None:
    judge = Judge(Sees(0.05, 0.9, 0.05), "", CLASSES, "its hash")
    with pytest.raises(HflowError, match=r"has no labelled images: `hflow label .*out` makes them"):
        pseudo_labelled_shards(tmp_path / "out", photographs, CLASSES)
    with pytest.raises(HflowError, match="no prepared images to label"):
        label_shards(judge, [], tmp_path / "out", by="it", threshold=0.8, work=tmp_path / "work", device=CPU)
    label_shards(judge, photographs[:1], tmp_path / "out", by="it", threshold=0.8, work=tmp_path / "work", device=CPU)
    with pytest.raises(HflowError, match="labels of other images than are prepared"):
        pseudo_labelled_shards(tmp_path / "out", photographs, CLASSES)
    label_shards(judge, photographs, tmp_path / "out", by="it", threshold=0.8, work=tmp_path / "work", device=CPU)
    write_shard(photographs[1], list(read_rows(photographs[0])), PREPARED_SCHEMA)
    with pytest.raises(HflowError, match=r"labels of other images than are prepared: run `hflow label .*` again"):
        pseudo_labelled_shards(tmp_path / "out", photographs, CLASSES)


def test_labels_that_do_not_say_of_which_images_they_are_are_refused(photographs: list[Path], tmp_path: Path) -> None:
    judge = Judge(Sees(0.05, 0.9, 0.05), "", CLASSES, "its hash")
    label_shards(judge, photographs, tmp_path / "out", by="it", threshold=0.8, work=tmp_path / "work", device=CPU)
    (tmp_path / "out" / IMAGES).unlink()
    with pytest.raises(
        HflowError, match=r"does not say of which images its labels are: remove it, and run `hflow label .*` again"
    ):
        pseudo_labelled_shards(tmp_path / "out", photographs, CLASSES)


@pytest.mark.parametrize("classes", [("sky", "road", "car"), ("road", "sky"), (*CLASSES, "person")])
def test_labels_whose_ids_mean_other_classes_are_refused(
    photographs: list[Path], tmp_path: Path, classes: tuple[str, ...]
) -> None:
    judge = Judge(Sees(0.05, 0.9, 0.05), "", CLASSES, "its hash")
    label_shards(judge, photographs, tmp_path / "out", by="it", threshold=0.8, work=tmp_path / "work", device=CPU)
    with pytest.raises(HflowError, match=r"ids of other classes than data\.classes: run `hflow label .*` again"):
        pseudo_labelled_shards(tmp_path / "out", photographs, classes)


def test_a_training_by_region_learns_from_such_labels(project: Project, tmp_path: Path) -> None:
    source, target = (shard_files(project.prepared / name / "train") for name in ("source", "target"))
    judge = Judge(Sees(0.05, 0.9, 0.05), "", CLASSES, "its hash")
    label_shards(judge, target, tmp_path / "labels", by="it", threshold=0.8, work=tmp_path / "work", device=CPU)
    results = []
    for name, shards in (("own", target), ("pseudo", pseudo_labelled_shards(tmp_path / "labels", target, CLASSES))):
        result = train(
            ModelParams(variant=(2,)),
            EncoderParams(),
            LossParams(regions="labels"),
            TrainParams(steps=2, warm_up=0, accelerator="cpu"),
            source=source,
            target=shards,
            out=tmp_path / name,
            plots=tmp_path / "plots",
            work=tmp_path / "trainings",
            classes=CLASSES,
        )
        results.append(result.losses["style"])
    assert results[0] != results[1]
    colours = json.loads((tmp_path / "pseudo/config.json").read_text())["class_colours"]
    assert {name for name, colour in colours.items() if colour} == {"sky"}
