"""mmsegmentation finds and reads what is exported, where its packages are installed: the dependency group loaders."""

import importlib
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from hflow.datasets.images import decode_ids, decode_rgb
from hflow.datasets.shards import read_rows
from hflow.export.writing import export
from hflow.model.store import TrainedModel
from tests.conftest import Project
from tests.translations import translate

mmseg = pytest.importorskip("mmseg", exc_type=ImportError)
transforms = pytest.importorskip("mmcv.transforms", exc_type=ImportError)

SIDES = {
    "cityscapes": ("leftImg8bit/train", "gtFine/train", {}),
    # As DAFormer's GTADataset, which is mmsegmentation's CityscapesDataset with these names.
    "gta": ("images", "labels", {"img_suffix": ".png", "seg_map_suffix": "_labelTrainIds.png"}),
}


@pytest.fixture(scope="module")
def cityscapes_dataset() -> Any:
    """Its CityscapesDataset without the package's other datasets, for which mmcv has to be compiled."""
    package = ModuleType("mmseg.datasets")
    package.__path__ = [str(Path(mmseg.__file__).parent / "datasets")]
    sys.modules["mmseg.datasets"] = package
    return importlib.import_module("mmseg.datasets.cityscapes").CityscapesDataset


@pytest.mark.parametrize("layout", SIDES)
def test_its_datasets_load_images_and_train_ids(
    project: Project, model: TrainedModel, tmp_path: Path, layout: str, cityscapes_dataset: Any
) -> None:
    translate(project, model, tmp_path, tmp_path / "sets")
    export(tmp_path / "translated", tmp_path / "out", layout=layout)
    rows = [row for path in (tmp_path / "translated/train").iterdir() for row in read_rows(path)]
    images, labels, names = SIDES[layout]
    prefix = {"img_path": images, "seg_map_path": labels}
    loaded = cityscapes_dataset(data_root=str(tmp_path / "out"), data_prefix=prefix, pipeline=[], **names)
    load_image = transforms.LoadImageFromFile()
    load_label = transforms.LoadAnnotations(with_bbox=False, with_label=False, with_seg=True, imdecode_backend="pillow")
    found = set()
    for number in range(len(loaded)):
        results = load_label(load_image(loaded.get_data_info(number)))
        found.add((results["img"][..., ::-1].tobytes(), results["gt_seg_map"].astype(np.uint8).tobytes()))
    official = np.full(256, 255, np.uint8)
    official[[7, 23, 26]] = [0, 10, 13]  # road, sky and car
    assert len(loaded) == 12
    assert found == {
        (decode_rgb(row["image"]["bytes"]).tobytes(), official[decode_ids(row["label"]["bytes"])].tobytes())
        for row in rows
    }
