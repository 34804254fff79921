"""The truth of a frame comes through whole beside it, and training never sees it."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image
from safetensors.torch import load_file

from hflow.datasets.images import decode_rgb, encode_png
from hflow.datasets.inspection import inspect_dataset
from hflow.datasets.preparation import prepare
from hflow.datasets.shards import TRANSLATED_SCHEMA, image_value, read_rows, shard_files
from hflow.datasets.verification import verify
from hflow.foundation.errors import HflowError
from hflow.foundation.params import DataParams, DomainParams, PrepareParams
from hflow.model.store import TrainedModel
from tests.conftest import Project
from tests.pictures import random_picture, write_cityscapes, write_folder
from tests.raw_data import save
from tests.translations import manifest_of, rewrite, translate


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Four frames town/0 to town/3 whose truths are their negatives, as JPEG and PNG."""
    root = write_folder(tmp_path / "dark", 4, labels=False)
    for i in range(4):
        save(255 - random_picture(i), root / f"truth/town/{i}.{'bmp' if i else 'png'}")
    return root


def _prepare(root: Path, tmp_path: Path, **options: Any) -> dict[str, dict[str, Any]]:
    """The prepared frames by key."""
    data = DataParams.model_validate(
        {
            "source": {"root": root, "layout": "folder", "truth": "truth"},
            "target": {"root": write_folder(tmp_path / "bright", 2, labels=False), "layout": "folder"},
            "classes": [],
        }
    )
    params = PrepareParams(**{"size": (20, 20), "max_rejected": 0.5} | options)
    prepare(data, params, out=tmp_path / "prepared", sets=tmp_path / "sets", work=tmp_path / "work")
    return {row["key"]: row for p in shard_files(tmp_path / "prepared/source/train") for row in read_rows(p)}


@pytest.mark.parametrize("fit", ["crop", "stretch"])
def test_truth_is_resized_as_its_frame_is(fit: str, root: Path, tmp_path: Path) -> None:
    rows = _prepare(root, tmp_path, fit=fit)
    assert len(rows) == 4
    for row in rows.values():
        image, truth = (decode_rgb(row[name]["bytes"]).astype(int) for name in ("image", "truth"))
        assert truth.shape == (20, 20, 3)
        assert np.abs(255 - image - truth).max() <= 1


def test_a_changed_truth_is_read_again(root: Path, tmp_path: Path) -> None:
    before = _prepare(root, tmp_path)["town/0"]["truth"]
    save(random_picture(9), root / "truth/town/0.png")
    assert _prepare(root, tmp_path)["town/0"]["truth"] != before


BREAK: dict[str, Callable[[Path], object]] = {
    "truth missing": lambda truth: (truth / "1.bmp").unlink(),
    "truth of another size: the truth is 9x9, the image 48x24": lambda truth: Image.new("RGB", (9, 9)).save(
        truth / "1.bmp"
    ),
    "truth is not an image of a kind that is read (PNG, JPEG, WebP, BMP, TIFF): truth/town/1.bmp": lambda truth: (
        truth / "1.bmp"
    ).write_text(""),
    "truth there twice: 1.png; rename or remove one": lambda truth: Image.new("RGB", (9, 9)).save(truth / "1.png"),
}


@pytest.mark.parametrize("reason", BREAK)
def test_a_truth_at_fault_is_named_by_check_and_by_prepare(reason: str, root: Path, tmp_path: Path) -> None:
    BREAK[reason](root / "truth/town")
    assert len(_prepare(root, tmp_path)) == 3
    rejected = pq.read_table(tmp_path / "prepared/rejected.parquet").to_pylist()
    assert [(row["key"], row["reason"]) for row in rejected] == [("town/1", reason)]
    found = inspect_dataset(DomainParams(root=root, layout="folder", truth="truth"))
    assert found.at_fault == 1
    assert reason.partition(":")[0] in found.faults[0]


def test_a_folder_that_is_missing_ends_it_at_once(root: Path, tmp_path: Path) -> None:
    shutil.rmtree(root / "truth")
    with pytest.raises(HflowError, match=r"dark/truth is missing, and data.source.truth names truth"):
        _prepare(root, tmp_path)


def test_it_lies_beside_the_images_of_every_split_and_layout(tmp_path: Path) -> None:
    root = write_cityscapes(tmp_path / "cs", [("train", 2), ("val", 1)])
    shutil.copytree(root / "leftImg8bit", root / "bright")
    found = inspect_dataset(DomainParams(root=root, layout="cityscapes", truth="bright"), whole=True)
    assert (found.at_fault, found.read) == (0, 3)
    (root / "bright/val/aville/aville_000000_000019_leftImg8bit.png").unlink()
    assert inspect_dataset(DomainParams(root=root, layout="cityscapes", truth="bright")).at_fault == 1


def test_a_target_has_no_truth() -> None:
    domain = {"root": "a", "layout": "folder"}
    with pytest.raises(ValueError, match=r"truth is for data.source"):
        DataParams.model_validate({"source": domain, "target": domain | {"truth": "truth"}})


def _give_truth(rows: list[dict[str, Any]]) -> None:
    for row in rows:
        picture = 255 - decode_rgb(row["image"]["bytes"])
        row["truth"] = image_value(encode_png(picture), f"{row['key']}.png")


@pytest.fixture
def with_truth(given: Project) -> Project:
    """The frames of the project with the negatives of them as truth."""
    for shard in shard_files(given.prepared / "source/train"):
        rewrite(shard, _give_truth)
    return given


def test_translation_hands_the_truth_on_and_verify_reads_it(
    with_truth: Project, model: TrainedModel, tmp_path: Path
) -> None:
    translate(with_truth, model, tmp_path)
    given, made = (
        {row["key"]: row["truth"] for path in shard_files(folder) for row in read_rows(path)}
        for folder in (with_truth.prepared / "source/train", tmp_path / "translated/train")
    )
    assert given == made
    assert all(row["truth_sha256"] for row in manifest_of(tmp_path).values())
    assert verify(tmp_path / "translated").faults == []
    shard = shard_files(tmp_path / "translated/train")[0]
    rewrite(shard, _give_truth, TRANSLATED_SCHEMA)
    assert any("truth has other bytes" in str(fault) for fault in verify(tmp_path / "translated").faults)


def test_a_frame_whose_truth_has_lost_its_size_is_rejected(
    with_truth: Project, model: TrainedModel, tmp_path: Path
) -> None:
    def shrink(rows: list[dict[str, Any]]) -> None:
        rows[0]["truth"] = image_value(encode_png(np.zeros((9, 9, 3), np.uint8)), "x.png")

    rewrite(shard_files(with_truth.prepared / "source/train")[0], shrink)
    translate(with_truth, model, tmp_path, max_rejected=0.5)
    assert [row["reason"] for row in manifest_of(tmp_path).values() if row["status"] == "rejected"] == [
        "truth is 9x9, the image 32x24"
    ]


def test_training_never_sees_the_truth(with_truth: Project, model_folder: Path, tmp_path: Path) -> None:
    with_truth.train(tmp_path)
    weights, without = (load_file(folder / "model.safetensors") for folder in (tmp_path / "model", model_folder))
    assert weights.keys() == without.keys()
    assert all((weights[name] == without[name]).all() for name in weights)
