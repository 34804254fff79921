"""The recipes of the page on datasets: each reads a small folder of its dataset's form."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from hflow.datasets.inspection import inspect_dataset
from hflow.datasets.layouts.opening import open_raw
from hflow.foundation.labels import TRAIN_CLASSES, train_id_table
from hflow.foundation.params import DomainParams
from tests.raw_data import gta5_label, picture, save, sixteen_bit_png

ROAD, SKY = TRAIN_CLASSES.index("road"), TRAIN_CLASSES.index("sky")


def _recipes() -> list[dict[str, Any]]:
    page = Path(__file__).parents[3] / "docs" / "how-to" / "datasets.md"
    lines = re.findall(r"^source: (\{.*\})$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return [yaml.safe_load(line) for line in lines]


def _halves(road: int, sky: int) -> np.ndarray:
    return np.repeat(np.array([sky, road], np.uint8), 12)[:, None].repeat(48, axis=1)


def _red(ids: np.ndarray) -> np.ndarray:
    return np.dstack([ids, ids * 0, ids * 0, ids * 0 + 255])


def _carla(root: Path) -> None:
    save(picture(), root / "images/000123.png")
    save(_red(_halves(1, 11)), root / "labels/000123.png")


def _carla_palette(root: Path) -> None:
    save(picture(), root / "images/000123.png")
    colours = np.where(_halves(1, 0)[..., None], (128, 64, 128), (70, 130, 180))
    save(colours.astype(np.uint8), root / "labels/000123.png")


def _synthia(root: Path) -> None:
    save(picture(), root / "RGB/0000000.png")
    ids = _halves(3, 1).astype(np.uint16)
    sixteen_bit_png(np.dstack([ids, ids * 300, ids * 0]), root / "GT/LABELS/0000000.png")


def _bdd100k(root: Path) -> None:
    for split in ("train", "val"):
        save(picture(), root / f"images/10k/{split}/0004a4c0-d4dff0ad.jpg")
        save(_halves(0, 10), root / f"labels/sem_seg/masks/{split}/0004a4c0-d4dff0ad.png")


def _bdd100k_first(root: Path) -> None:
    save(picture(), root / "images/train/0004a4c0-d4dff0ad.jpg")
    save(_halves(0, 10), root / "labels/train/0004a4c0-d4dff0ad_train_id.png")


def _acdc(root: Path) -> None:
    name = "GOPR0351/GOPR0351_frame_000159"
    for split in ("train", "val"):
        save(picture(), root / f"rgb_anon/night/{split}/{name}_rgb_anon.png")
        save(_halves(7, 23), root / f"gt/night/{split}/{name}_gt_labelIds.png")
        save(_halves(0, 10), root / f"gt/night/{split}/{name}_gt_labelTrainIds.png")
    save(picture(), root / "rgb_anon/night/train_ref/GOPR0351/GOPR0351_frame_000001_rgb_ref_anon.png")


def _idd(root: Path) -> None:
    for name, suffix in (("0/000000", "png"), ("201/frame0029", "jpg")):
        save(picture(), root / f"leftImg8bit/train/{name}_leftImg8bit.{suffix}")
        save(_halves(0, 33), root / f"gtFine/train/{name}_gtFine_labelids.png")
        (root / f"gtFine/train/{name}_gtFine_polygons.json").write_text("{}")


def _mapillary(root: Path) -> None:
    for split in ("training", "validation"):
        save(picture(), root / split / "images/-0WtfWzgpKNj.jpg")
        save(gta5_label(_halves(13, 27)), root / split / "v1.2/labels/-0WtfWzgpKNj.png")


def _kitti(root: Path) -> None:
    save(picture(), root / "image_2/000000_10.png")
    save(_halves(7, 23), root / "semantic/000000_10.png")


FORMS: dict[tuple[str, str], Callable[[Path], None]] = {
    ("carla", "red"): _carla,
    ("carla", "colours"): _carla_palette,
    ("RAND_CITYSCAPES", "red"): _synthia,
    ("bdd100k", "train_ids"): _bdd100k,
    ("seg", "train_ids"): _bdd100k_first,
    ("acdc", "ids"): _acdc,
    ("idd", "ids"): _idd,
    ("mapillary", "ids"): _mapillary,
    ("training", "ids"): _kitti,
}


def test_every_recipe_has_its_form() -> None:
    assert {(Path(r["root"]).name, r.get("label_from", "ids")) for r in _recipes()} == FORMS.keys()


@pytest.mark.parametrize("recipe", _recipes(), ids=lambda r: f"{r['root']} {r.get('label_from', 'ids')}")
def test_a_recipe_reads_its_dataset(tmp_path: Path, recipe: dict[str, Any]) -> None:
    FORMS[Path(recipe["root"]).name, recipe.get("label_from", "ids")](tmp_path)
    domain = DomainParams.model_validate(recipe | {"root": tmp_path})
    found = inspect_dataset(domain, whole=True)
    assert (found.at_fault, found.notes) == (0, [])
    assert found.classes == pytest.approx({"road": 0.5, "sky": 0.5})
    dataset = open_raw(domain)
    table = train_id_table(dataset.raw_classes, TRAIN_CLASSES)
    for sample in (sample for samples in dataset.splits.values() for sample in samples):
        assert sample.label is not None
        assert np.array_equal(table[dataset.read_label(sample.label)], _halves(ROAD, SKY))
