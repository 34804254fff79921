"""The layouts as real datasets have them; skipped where the pictures are not at hand."""

from pathlib import Path

import numpy as np
import pytest

from hflow.datasets.layouts.opening import open_raw
from hflow.datasets.preparation import prepare
from hflow.foundation.params import DataParams, DomainParams, PrepareParams

DATA = Path(__file__).parents[3] / "shared" / "data"
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="no real datasets beside the project")


def test_real_gta_and_cityscapes_images_are_prepared_without_labels_or_validation_set(tmp_path: Path) -> None:
    data = DataParams.model_validate(
        {
            "source": {"root": DATA / "gta", "layout": "gta"},
            "target": {"root": DATA / "cityscapes", "layout": "cityscapes"},
        }
    )
    params = PrepareParams(size=(256, 128), fit="stretch")
    stats = prepare(data, params, out=tmp_path / "out", sets=tmp_path / "sets", work=tmp_path / "work")
    assert (stats["source/train"]["prepared"], stats["source/train"]["labelled"]) == (8, False)
    assert (stats["target/train"]["prepared"], stats["target/train"]["labelled"]) == (6, True)
    assert stats["target/train"]["class_share"]["road"] > 0.1


def test_real_cityscapes_labels_are_legal() -> None:
    dataset = open_raw(DomainParams(root=DATA / "cityscapes", layout="cityscapes"))
    for sample in dataset.splits["train"]:
        assert sample.label is not None
        assert len(np.unique(dataset.read_label(sample.label))) > 8


def test_real_camvid_has_its_splits_and_classes() -> None:
    dataset = open_raw(DomainParams(root=DATA / "camvid", layout="folder", val="tune"))
    assert (len(dataset.splits["train"]), len(dataset.splits["val"])) == (266, 101)
    assert dataset.raw_classes[3] == "road"
