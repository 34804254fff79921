"""The parts of Cityscapes: coarse labels, and splits without any."""

from pathlib import Path

from hflow.datasets.inspection import inspect_dataset
from hflow.datasets.layouts.opening import open_raw
from hflow.datasets.preparation import prepare
from hflow.foundation.params import DataParams, DomainParams, PrepareParams
from tests.pictures import street_ids, write_cityscapes, write_gta
from tests.raw_data import picture, save


def test_a_split_without_labels_beside_labelled_ones_trains(tmp_path: Path) -> None:
    root = write_cityscapes(tmp_path / "cs", [("val", 2)])
    for number in range(3):
        save(picture(number), root / "leftImg8bit/train_extra/bonn" / f"bonn_{number}_leftImg8bit.png")
    target = {"root": root, "layout": "cityscapes", "train": "train_extra"}
    found = inspect_dataset(DomainParams.model_validate(target))
    assert found.at_fault == 0
    assert found.notes == ["train_extra has no labels: there is neither gtFine/train_extra nor gtCoarse/train_extra"]
    data = DataParams.model_validate(
        {"source": {"root": write_gta(tmp_path / "gta", 2), "layout": "gta"}, "target": target}
    )
    params = PrepareParams(size="native")
    stats = prepare(data, params, out=tmp_path / "out", sets=tmp_path / "sets", work=tmp_path / "work")
    assert (stats["target/train"]["prepared"], stats["target/train"]["labelled"]) == (3, False)
    assert (stats["target/val"]["prepared"], stats["target/val"]["labelled"]) == (2, True)


def test_coarse_labels_are_read_where_there_are_no_fine_ones(tmp_path: Path) -> None:
    root = write_cityscapes(tmp_path / "cs", [("train", 1)])
    save(picture(), root / "leftImg8bit/train_extra/bonn/bonn_1_leftImg8bit.png")
    save(street_ids(0), root / "gtCoarse/train_extra/bonn/bonn_1_gtCoarse_labelIds.png")
    dataset = open_raw(DomainParams(root=root, layout="cityscapes", train="train_extra"))
    assert dataset.splits["train"][0].label is not None
    assert "train_extra are those of gtCoarse" in dataset.notes[0]


def test_images_of_other_formats_are_read(tmp_path: Path) -> None:
    save(picture(), tmp_path / "leftImg8bit/train/bonn/1_leftImg8bit.jpg")
    assert open_raw(DomainParams(root=tmp_path, layout="cityscapes")).splits["train"][0].key == "bonn/1"
