"""A user's own folder: splits, classes, and each way in which labels tell their ids."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hflow.datasets.inspection import inspect_dataset
from hflow.datasets.layouts.opening import open_raw
from hflow.foundation.errors import HflowError
from hflow.foundation.params import DomainParams
from tests.pictures import street_ids
from tests.raw_data import picture, save, sixteen_bit_png, write_pair

COLOURS = "road: {ids: [7], colours: [[128, 64, 128]]}\nsky: {ids: [23], colours: [[1, 2, 3], [4, 5, 6]]}\n"


def _folder(root: Path, **options: Any) -> DomainParams:
    return DomainParams.model_validate({"root": root, "layout": "folder"} | options)


def _ids(domain: DomainParams) -> np.ndarray:
    dataset = open_raw(domain)
    label = dataset.splits["train"][0].label
    assert label is not None
    return dataset.read_label(label)


def test_a_folder_a_split_below_images_and_labels_is_a_split(tmp_path: Path) -> None:
    for split, count in (("train", 3), ("val", 2)):
        for number in range(count):
            save(picture(number), tmp_path / "images" / split / f"{number}.png")
            save(street_ids(number), tmp_path / "labels" / split / f"{number}.png")
    (tmp_path / "classes.yaml").write_text("7: road\n")
    splits = open_raw(_folder(tmp_path)).splits
    assert {name: [s.key for s in samples if s.label] for name, samples in splits.items()} == {
        "train": ["0", "1", "2"],
        "val": ["0", "1"],
    }


def test_folders_that_look_like_splits_of_other_names_are_named(tmp_path: Path) -> None:
    for split in ("training", "validation"):
        save(picture(), tmp_path / "images" / split / "1.png")
    with pytest.raises(HflowError, match="the folders training, validation, which look like splits"):
        open_raw(_folder(tmp_path))
    assert set(open_raw(_folder(tmp_path, train="training", val="validation")).splits) == {"train", "val"}


def test_labels_arranged_otherwise_than_images_are_refused(tmp_path: Path) -> None:
    save(picture(), tmp_path / "images" / "train" / "1.png")
    save(street_ids(0), tmp_path / "labels" / "1.png")
    with pytest.raises(HflowError, match="arrange them alike"):
        open_raw(_folder(tmp_path))


def test_a_split_without_labels_beside_one_with_labels_is_noted(tmp_path: Path) -> None:
    write_pair(tmp_path / "train", "1", street_ids(0))
    write_pair(tmp_path / "val", "1", None)
    (tmp_path / "classes.yaml").write_text("7: road\n")
    dataset = open_raw(_folder(tmp_path))
    assert list(dataset.labelled) == ["train"]
    assert dataset.notes == ["val/labels/ is missing, so that split has no labels"]


def test_labels_without_a_table_of_classes_are_refused(tmp_path: Path) -> None:
    write_pair(tmp_path, "1", street_ids(0))
    with pytest.raises(HflowError, match=r"no classes\.yaml"):
        open_raw(_folder(tmp_path))
    assert open_raw(_folder(tmp_path, classes="cityscapes")).raw_classes[7] == "road"
    with pytest.raises(HflowError, match=r"one of .*carla.*synthia"):
        open_raw(_folder(tmp_path, classes="cityscape"))


def test_ids_in_the_red_channel(tmp_path: Path) -> None:
    ids = street_ids(0)
    write_pair(tmp_path, "1", np.dstack([ids, ids * 0, ids * 0, ids * 0 + 255]))
    assert np.array_equal(_ids(_folder(tmp_path, label_from="red", classes="carla")), ids)


def test_ids_in_the_first_of_sixteen_bit_channels(tmp_path: Path) -> None:
    ids = street_ids(0).astype(np.uint16)
    write_pair(tmp_path, "1", street_ids(0))
    sixteen_bit_png(np.dstack([ids, ids * 700, ids * 0]), tmp_path / "labels" / "1.png")
    domain = _folder(tmp_path, label_from="red", classes="synthia")
    assert np.array_equal(_ids(domain), ids)
    sixteen_bit_png(np.dstack([ids + 256, ids, ids]), tmp_path / "labels" / "1.png")
    with pytest.raises(HflowError, match="ids over 255"):
        _ids(domain)


def test_sixteen_bit_grey_whose_ids_fit(tmp_path: Path) -> None:
    write_pair(tmp_path, "1", street_ids(0).astype(np.uint16))
    assert np.array_equal(_ids(_folder(tmp_path, classes="cityscapes")), street_ids(0))


def test_colours_by_the_table_of_classes(tmp_path: Path) -> None:
    label = np.full((24, 48, 3), (128, 64, 128), np.uint8)
    label[:4], label[4:8] = (1, 2, 3), (4, 5, 6)
    write_pair(tmp_path, "1", label)
    (tmp_path / "classes.yaml").write_text(COLOURS)
    ids = _ids(_folder(tmp_path, label_from="colours"))
    assert (ids[:8] == 23).all()
    assert (ids[8:] == 7).all()
    (tmp_path / "classes.yaml").write_text("road: {ids: [7], colours: [[128, 64, 128]]}\n")
    with pytest.raises(HflowError, match=r"the colour \(1, 2, 3\) is not in the table"):
        _ids(_folder(tmp_path, label_from="colours"))


def test_colours_without_a_table_that_has_them_are_refused(tmp_path: Path) -> None:
    write_pair(tmp_path, "1", street_ids(0))
    (tmp_path / "classes.yaml").write_text("7: road\n")
    with pytest.raises(HflowError, match=r"classes\.yaml has none"):
        open_raw(_folder(tmp_path, label_from="colours"))


def test_train_ids_under_a_name_of_their_own(tmp_path: Path) -> None:
    train_ids = np.full((24, 48), 255, np.uint8)
    train_ids[:10] = 18
    save(picture(), tmp_path / "images" / "a.jpg")
    save(train_ids, tmp_path / "labels" / "a_train_id.png")
    domain = _folder(tmp_path, label_from="train_ids", label_ending="_train_id.png")
    assert np.array_equal(_ids(domain), train_ids)
    assert open_raw(domain).raw_classes[18] == "bicycle"
    save(train_ids * 0 + 19, tmp_path / "labels" / "a_train_id.png")
    with pytest.raises(HflowError, match="19 is not a train id"):
        _ids(domain)


def _red(ids: np.ndarray) -> np.ndarray:
    return np.dstack([ids, ids * 0, ids * 0, ids * 0 + 255])


@pytest.mark.parametrize(
    ("label", "given", "hint"),
    [
        (_red(street_ids(0)), {}, "these look like CARLA's camera, ids in the red channel: set label_from: red"),
        (np.full((24, 48, 3), (157, 234, 50), np.uint8), {}, "CARLA's CityScapesPalette: set label_from: colours"),
        (
            np.full((24, 48, 3), (128, 64, 128), np.uint8),
            {},
            "Cityscapes: set label_from: colours, classes:",
        ),
        (np.full((24, 48, 3), (99, 1, 2), np.uint8), {}, "give each class its colours in classes.yaml"),
        (street_ids(0), {"label_from": "red"}, "set label_from: ids"),
    ],
)
def test_check_suggests_what_would_read_the_labels(
    tmp_path: Path, label: np.ndarray, given: dict[str, str], hint: str
) -> None:
    write_pair(tmp_path, "1", label)
    found = inspect_dataset(_folder(tmp_path, classes="cityscapes", **given))
    assert found.at_fault == 1
    assert any(hint in line for line in found.suggestions), found.suggestions


def test_check_suggests_sixteen_bits_and_endings(tmp_path: Path) -> None:
    write_pair(tmp_path, "1", street_ids(0))
    sixteen_bit_png(np.zeros((24, 48, 3), np.uint16), tmp_path / "labels" / "1.png")
    assert "SYNTHIA" in inspect_dataset(_folder(tmp_path, classes="synthia")).suggestions[0]
    (tmp_path / "labels" / "1.png").rename(tmp_path / "labels" / "1_train_id.png")
    found = inspect_dataset(_folder(tmp_path, classes="synthia"))
    assert "set label_ending: _train_id.png, label_from: train_ids" in found.suggestions[0]
