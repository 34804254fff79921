"""A look at a dataset finds what it has and what is wrong, by the same rules as preparing it."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hflow.datasets.inspection import Inspection, inspect_dataset
from hflow.foundation.errors import HflowError
from hflow.foundation.params import DomainParams
from tests.pictures import write_cityscapes, write_folder, write_gta


def _inspect(root: Path, layout: str, *, whole: bool = False) -> Inspection:
    return inspect_dataset(DomainParams(root=root, layout=layout), whole=whole)


def test_a_good_dataset_shows_counts_sizes_and_classes(tmp_path: Path) -> None:
    found = _inspect(write_gta(tmp_path / "gta", 5), "gta")
    assert (found.images, found.labelled) == ({"train": 5}, {"train": 5})
    assert found.sizes == {(48, 24): 5}
    assert found.classes.keys() == {"road", "sky", "car"}
    assert sum(found.classes.values()) == pytest.approx(1)
    assert not found.faults


def test_splits_are_counted_apart(tmp_path: Path) -> None:
    found = _inspect(write_cityscapes(tmp_path / "cs", [("train", 3), ("val", 2)]), "cityscapes")
    assert found.images == {"train": 3, "val": 2}


def test_a_dataset_without_labels_has_no_fault(tmp_path: Path) -> None:
    found = _inspect(write_folder(tmp_path / "folder", 3, labels=False), "folder")
    assert found.labelled == {"train": 0}
    assert found.at_fault == 0


def test_each_fault_is_named_with_its_file(tmp_path: Path) -> None:
    root = write_gta(tmp_path / "gta", 6)
    (root / "labels/00000.png").unlink()
    (root / "images/00001.png").unlink()
    Image.new("RGB", (10, 10), (128, 64, 128)).save(root / "labels/00002.png")
    Image.fromarray(np.full((24, 48, 3), 9, np.uint8)).save(root / "images/00003.png")
    Image.new("RGB", (48, 24), (1, 2, 3)).save(root / "labels/00004.png")
    (root / "images/00005.png").write_bytes(b"not an image")
    found = _inspect(root, "gta")
    assert found.at_fault == 6
    said = "\n".join(found.faults)
    for name, text in {
        "images/00000.png": "label missing",
        "labels/00001.png": "without image",
        "images/00002.png": "the label is 10x10, the image 48x24",
        "images/00003.png": "of one colour",
        "images/00004.png": "(1, 2, 3)",
        "images/00005.png": "not an image",
    }.items():
        assert any(name in line and text in line for line in found.faults), said


def test_of_many_samples_some_are_read_and_on_request_all(tmp_path: Path) -> None:
    root = write_gta(tmp_path / "gta", 30, size=(16, 16))
    assert _inspect(root, "gta").read < 30
    assert _inspect(root, "gta", whole=True).read == 30


def test_another_layout_is_refused(tmp_path: Path) -> None:
    with pytest.raises(HflowError, match="looks like the layout 'gta'"):
        _inspect(write_gta(tmp_path / "gta", 1), "cityscapes")
