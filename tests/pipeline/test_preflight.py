"""What would end a later stage is found beforehand."""

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from PIL import Image

from hflow.datasets.layouts.opening import open_domains
from hflow.foundation.params import Params
from hflow.pipeline.preflight import run_faults
from tests.pictures import random_picture, write_carried, write_cityscapes, write_gta

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("raw")
    write_gta(folder / "gta", 3)
    write_cityscapes(folder / "cityscapes", [("train", 3), ("val", 2)])
    return folder


def _params(folder: Path, **sections: dict[str, Any]) -> Params:
    values = yaml.safe_load((ROOT / "params.yaml").read_text())
    values["data"]["source"]["root"] = str(folder / "gta")
    values["data"]["target"]["root"] = str(folder / "cityscapes")
    values["data"]["classes"] = ["road", "sky", "car"]
    for name, section in sections.items():
        values[name] |= section
    return Params.model_validate(values)


def _faults(folder: Path, **sections: dict[str, Any]) -> list[str]:
    params = _params(folder, **sections)
    return run_faults(params, open_domains(params.data))


def test_parameters_that_go_with_the_data_have_no_fault(raw: Path) -> None:
    assert _faults(raw) == []
    assert _faults(raw, prepare={"size": "native"}, train={"crop": [48, 24]}) == []


@pytest.mark.parametrize(
    ("sections", "said"),
    [
        ({"prepare": {"size": "native"}, "train": {"crop": [49, 24]}}, "train.crop is 49x24.*images of 48x24"),
        ({"train": {"crop": [96, 65]}}, "train.crop is 96x65.*images of 128x64"),
        ({"loss": {"bands": 8}, "train": {"crop": [32, 16]}}, "loss.bands is 8"),
        ({"encoder": {"weights": "models/given/none.pth"}}, "encoder.weights is models/given/none.pth"),
        ({"encoder": {"weights": __file__}}, "encoder.weights is .*: put it into models/given"),
        ({"translate": {"judge": "models/given/none"}}, "translate.judge is models/given/none, which is missing"),
        (
            {"train": {"judge": "models/given/none", "measure_every": 1}},
            "train.judge is models/given/none, which is missing",
        ),
        (
            {"loss": {"regions": "labels", "target_labels": "models/given/none"}},
            "loss.target_labels is models/given/none, which is missing",
        ),
        (
            {"loss": {"regions": "labels", "source_labels": "models/given/none"}},
            "loss.source_labels is models/given/none, which is missing: `hflow label models/given/none --of source`",
        ),
        ({"translate": {"model": "models/none"}}, "translate.model is models/none"),
        ({"translate": {"style_by": "sequence", "sequence": "drive(.)"}}, "translate.sequence 'drive"),
        ({"translate": {"style_group": "night(.)"}}, "translate.style_group 'night"),
        ({"translate": {"device": "abacus"}}, "translate.device: there is no device 'abacus'"),
        ({"segment": {"device": "abacus"}}, "segment.device: there is no device 'abacus'"),
    ],
)
def test_a_fault_of_a_later_stage_is_found(raw: Path, sections: dict[str, Any], said: str) -> None:
    (fault,) = _faults(raw, **sections)
    assert re.search(said, fault)


def test_images_that_differ_in_size_are_no_batch(raw: Path, tmp_path: Path) -> None:
    shutil.copytree(raw, tmp_path / "raw")
    Image.fromarray(random_picture(9, (50, 30))).save(tmp_path / "raw/gta/images/00000.png")
    Image.fromarray(random_picture(9, (50, 30))).convert("L").save(tmp_path / "raw/gta/labels/00000.png")
    (fault,) = _faults(tmp_path / "raw", prepare={"size": "native"}, train={"crop": None})
    assert "train.batch_size" in fault


def test_nothing_to_score_on_is_found(raw: Path, tmp_path: Path) -> None:
    shutil.copytree(raw, tmp_path / "raw")
    shutil.rmtree(tmp_path / "raw/cityscapes/gtFine/val")
    shutil.rmtree(tmp_path / "raw/gta/labels")
    scored = _faults(tmp_path / "raw", segment={"train_on": ["source+translated", "translated+target", "target"]})
    assert [("validation" in fault, "names source" in fault) for fault in scored] == [(True, False), (False, True)]
    assert _faults(tmp_path / "raw", segment={"train_on": []}) == []


def test_frames_with_what_cannot_be_resized_are_found_by_their_headers(raw: Path, tmp_path: Path) -> None:
    shutil.copytree(raw, tmp_path / "raw")
    write_carried(tmp_path / "raw/gta")
    carry = {"root": str(tmp_path / "raw/gta"), "layout": "gta", "carry": ["depth"]}

    def found(size: object) -> str:
        faults = _faults(tmp_path / "raw", data={"source": carry}, prepare={"size": size}, train={"crop": None})
        return "\n".join(faults)

    assert "prepare.size is 32x16, there are frames of 48x24" in found([32, 16])
    assert "prepare.size" not in found([48, 24]) + found("native")
