"""GTA5 as it ships: palettes, colours, frames of several sizes, the official split."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from hflow.datasets.images import decode_ids
from hflow.datasets.inspection import inspect_dataset
from hflow.datasets.layouts.gta import read_label
from hflow.datasets.layouts.opening import open_raw
from hflow.datasets.preparation import prepare
from hflow.datasets.shards import read_rows, shard_files
from hflow.foundation.errors import HflowError
from hflow.foundation.labels import CITYSCAPES, ids_to_colours
from hflow.foundation.params import DataParams, DomainParams, PrepareParams
from tests.pictures import street_ids, write_cityscapes
from tests.raw_data import gta5_label, picture, save, write_pair

EVERY_ID = np.arange(36, dtype=np.uint8).reshape(4, 9).repeat(8, axis=0).repeat(8, axis=1)


@pytest.fixture
def miniature(tmp_path: Path) -> Path:
    """The dataset as it lies on a disk: two sizes, a label of another size, a frame of one colour, train ids beside."""
    root = tmp_path / "gta"
    for number in range(1, 9):
        height = 105 if number % 2 else 104
        ids = np.full((height, 191), 7)
        ids[:40], ids[50:60], ids[60:64] = 23, 4, 34
        write_pair(root, f"{number:05d}", gta5_label(ids), seed=number)
        save(np.zeros((height, 191), np.uint8), root / "labels" / f"{number:05d}_labelTrainIds.png")
    save(gta5_label(np.full((20, 30), 7)), root / "labels" / "00003.png")
    save(Image.new("RGB", (191, 104)), root / "images" / "00004.png")
    parts = {"trainIds": [1, 2, 3, 4], "valIds": [5, 6], "testIds": [7, 8]}
    savemat(root / "split.mat", {name: np.array(numbers)[:, None] for name, numbers in parts.items()})
    return root


def test_the_dataset_is_prepared_whole_and_what_is_at_fault_is_named(miniature: Path, tmp_path: Path) -> None:
    data = DataParams.model_validate(
        {
            "source": {"root": miniature, "layout": "gta"},
            "target": {"root": write_cityscapes(tmp_path / "cs", [("train", 2)]), "layout": "cityscapes"},
        }
    )
    params = PrepareParams(size="native", max_rejected=0.3)
    stats = prepare(data, params, out=tmp_path / "out", sets=tmp_path / "sets", work=tmp_path / "work")
    assert stats["source/train"]["given"] == 8
    assert stats["source/train"]["prepared"] == 6
    rows = {row["key"]: row for path in shard_files(tmp_path / "out/source/train") for row in read_rows(path)}
    assert sorted(rows) == ["00001", "00002", "00005", "00006", "00007", "00008"]
    assert {(row["width"], row["height"]) for row in rows.values()} == {(191, 104), (191, 105)}
    assert np.unique(decode_ids(rows["00001"]["label"]["bytes"])).tolist() == [4, 7, 23, 34]
    assert np.unique(decode_ids(rows["00001"]["label_train_ids"]["bytes"])).tolist() == [0, 10, 255]


def test_check_names_what_prepare_rejects(miniature: Path) -> None:
    found = inspect_dataset(DomainParams(root=miniature, layout="gta"))
    assert found.at_fault == 2
    said = "\n".join(found.faults)
    assert "1 x label of another size: images/00003.png (the label is 30x20, the image 191x105)" in said
    assert "1 x is of one colour: images/00004.png" in said


@pytest.mark.parametrize(
    ("part", "keys"), [("train", [1, 2, 3, 4]), ("val", [5, 6]), ("test", [7, 8]), (None, range(1, 9))]
)
def test_the_official_split_is_taken_in_parts(miniature: Path, part: str | None, keys: list[int]) -> None:
    domain = DomainParams.model_validate({"root": miniature, "layout": "gta", "split": part})
    assert [int(sample.key) for sample in open_raw(domain).splits["train"]] == list(keys)


def test_a_split_without_its_file_is_named(miniature: Path) -> None:
    domain = DomainParams(root=miniature, layout="gta", split="val")
    (miniature / "split.mat").write_bytes(b"MATLAB 5.0")
    with pytest.raises(HflowError, match=r"split\.mat is not the dataset's split\.mat with valIds"):
        open_raw(domain)
    (miniature / "split.mat").unlink()
    with pytest.raises(HflowError, match=r"split\.mat is missing, and the split val is asked for"):
        open_raw(domain)


def test_palette_indices_are_ids(tmp_path: Path) -> None:
    assert np.array_equal(read_label(save(gta5_label(EVERY_ID), tmp_path / "1.png")), EVERY_ID)
    colourless = gta5_label(EVERY_ID, {})
    assert np.array_equal(read_label(save(colourless, tmp_path / "2.png")), EVERY_ID)
    theirs = gta5_label(EVERY_ID, {c.id: c.colour for c in CITYSCAPES})
    assert np.array_equal(read_label(save(theirs, tmp_path / "3.png")), EVERY_ID)


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_colours_are_those_of_gta5(tmp_path: Path, mode: str) -> None:
    ids = read_label(save(gta5_label(EVERY_ID).convert(mode), tmp_path / "1.png"))
    shared = {1: 0, 2: 0, 3: 0, 18: 17, 34: 26, 35: 0}
    assert np.array_equal(ids, np.vectorize(lambda i: shared.get(i, i))(EVERY_ID))


def test_a_palette_of_official_colours_in_another_order_is_looked_up(tmp_path: Path) -> None:
    ids = street_ids(0)
    few = Image.fromarray(ids_to_colours(ids)).quantize(4)
    assert np.array_equal(read_label(save(few, tmp_path / "1.png")), ids)


def test_a_colour_of_no_class_is_named(tmp_path: Path) -> None:
    with pytest.raises(HflowError, match=r"the colour \(9, 9, 9\) is not one"):
        read_label(save(Image.new("RGB", (4, 4), (9, 9, 9)), tmp_path / "1.png"))


def test_grey_values_are_ids(tmp_path: Path) -> None:
    assert np.array_equal(read_label(save(street_ids(0), tmp_path / "1.png")), street_ids(0))


def test_train_ids_beside_a_label_are_no_label(miniature: Path) -> None:
    for label in (miniature / "labels").glob("?????.png"):
        label.unlink()
    save(picture(), miniature / "images" / "00009.png")
    assert all(sample.label is None for sample in open_raw(DomainParams(root=miniature, layout="gta")).splits["train"])
