"""A comparison finds what differs, frame by frame, and shows the largest changes first."""

import csv
import json
import re
from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from playwright.sync_api import Browser

from hflow.datasets.images import encode_png
from hflow.datasets.manifest import MANIFEST_SCHEMA
from hflow.datasets.shards import PREPARED_SCHEMA, TRANSLATED_SCHEMA, image_value, write_shard
from hflow.foundation.errors import HflowError
from hflow.model import HierarchyFlow
from hflow.model.store import StyleBank, load_model, model_files
from hflow.reports.comparison import compare
from hflow.reports.comparison_page import summary, write_comparison
from hflow.translation.folder import translate_folder
from tests.browser import faults_of_access, opened, running_browser, widths_of_pictures
from tests.pictures import random_picture

LABEL = np.repeat([[0, 1, 255]], 24, axis=0).repeat(16, axis=1).astype(np.uint8)


def _row(key: str, pixels: np.ndarray, label: np.ndarray) -> dict[str, Any]:
    image, ids = encode_png(pixels), encode_png(label)
    return {
        "key": key,
        "image": image_value(image, f"{key}.png"),
        "label": image_value(ids, f"{key}.png"),
        "label_train_ids": image_value(ids, f"{key}.png"),
        "width": pixels.shape[1],
        "height": pixels.shape[0],
        "source_path": f"images/{key}.png",
        "source_sha256": "0",
        "style": "t0",
        "image_sha256": sha256(image).hexdigest(),
        "label_sha256": sha256(ids).hexdigest(),
        "ssim": 0.5,
    }


def _dataset(folder: Path, brighter: Mapping[str, int], label: np.ndarray = LABEL) -> Path:
    """A translated dataset whose frames, by key, are so many grey levels brighter than a dark picture of their own."""
    frames = {key: random_picture(int(key)) // 2 + np.uint8(levels) for key, levels in brighter.items()}
    rows = [_row(key, pixels, label) for key, pixels in frames.items()]
    (folder / "train").mkdir(parents=True)
    write_shard(folder / "train/shard-0.parquet", rows, TRANSLATED_SCHEMA)
    where = {"split": "train", "shard": "shard-0.parquet", "status": "translated", "model_sha256": "m", "seed": 0}
    faulty = {"key": "bad", "split": "train", "status": "rejected", "reason": "label missing"}
    pq.write_table(
        pa.Table.from_pylist([*(row | where for row in rows), faulty], MANIFEST_SCHEMA), folder / "manifest.parquet"
    )
    return folder


def _model(folder: Path, seed: int, **config: Any) -> Path:
    torch.manual_seed(seed)
    folder.mkdir(parents=True)
    bank = StyleBank(torch.zeros(2, 8), ["t0", "t1"])
    for name, content in model_files(HierarchyFlow((2,)), bank, config).items():
        (folder / name).write_bytes(content)
    return folder


def _prepared(folder: Path, count: int) -> Path:
    (folder / "source/train").mkdir(parents=True)
    rows = [_row(f"{i}", random_picture(i), LABEL) for i in range(count)]
    write_shard(folder / "source/train/shard-0.parquet", rows, PREPARED_SCHEMA)
    return folder


def test_the_largest_change_comes_first_in_grey_levels(tmp_path: Path) -> None:
    a = _dataset(tmp_path / "a", {"1": 0, "2": 0, "3": 0})
    b = _dataset(tmp_path / "b", {"1": 4, "2": 0, "3": 30})
    found = compare(a, b, prepared=tmp_path, examples=1)
    assert [(change.key, change.difference) for change in found.changes] == [("3", 30.0), ("1", 4.0)]
    assert found.same == 1
    assert sum(found.histogram) == 2
    assert [changed.change.key for changed in found.shown] == ["3"]
    assert np.array_equal(found.shown[0].before + np.uint8(30), found.shown[0].after)
    assert summary(found) == "2 of 3 frames differ, by 17.0 grey levels of 255 on average and by 30.0 at most."


def test_a_dataset_is_the_same_as_itself(tmp_path: Path) -> None:
    a = _dataset(tmp_path / "a", {"1": 0, "2": 0})
    found = compare(a, a, prepared=tmp_path)
    assert (found.same, len(found.changes), found.relabelled) == (2, 0, 0)
    assert summary(found) == "All 2 frames are the same."


def test_frames_of_one_side_and_other_labels_are_counted(tmp_path: Path) -> None:
    a = _dataset(tmp_path / "a", {"1": 0, "2": 0})
    b = _dataset(tmp_path / "b", {"2": 0, "3": 0, "4": 0}, label=LABEL[:, ::-1])
    found = compare(a, b, prepared=tmp_path)
    alone = [[(row["split"], row["key"]) for row in rows] for rows in found.alone]
    assert alone == [[("train", "1")], [("train", "3"), ("train", "4")]]
    assert found.relabelled == 1
    assert summary(found) == "The one frame of both is the same; 1 more is in A alone; 2 more are in B alone."


def test_folders_of_images_are_compared_too(tmp_path: Path) -> None:
    (tmp_path / "frames").mkdir()
    for i in range(2):
        Image.fromarray(random_picture(i)).save(tmp_path / f"frames/{i}.png")
    for name, seed in (("a", 0), ("b", 1)):
        translate_folder(tmp_path / "frames", tmp_path / name, load_model(_model(tmp_path / f"m{name}", seed)))
    found = compare(tmp_path / "a", tmp_path / "b", prepared=tmp_path)
    assert sorted(change.key for change in found.changes) == ["0", "1"]
    assert all(side.ssim is not None for side in found.sides)


def test_two_models_translate_the_same_frames_in_the_same_styles(tmp_path: Path) -> None:
    a, b = _model(tmp_path / "a", 0, loss={"k": 0.8}), _model(tmp_path / "b", 1, loss={"k": 0.9})
    prepared = _prepared(tmp_path / "prepared", 4)
    found = compare(a, b, prepared=prepared, frames=2)
    assert sorted(change.key for change in found.changes) == ["0", "2"]
    assert all(change.styles[0] == change.styles[1] and None not in change.ssim for change in found.changes)
    assert (found.sides[0].facts["k"], found.sides[1].facts["k"]) == ("0.8", "0.9")
    assert compare(a, a, prepared=prepared).same == 4


def test_models_that_differ_in_what_builds_the_network_alone_are_told_apart(tmp_path: Path) -> None:
    a, b = _model(tmp_path / "a", 0), _model(tmp_path / "b", 0)
    config = json.loads((b / "config.json").read_text()) | {"guide": 4, "correction": "gamma", "size": [96, 64]}
    (b / "config.json").write_text(json.dumps(config))
    one, other = (side.facts for side in compare(a, b, prepared=_prepared(tmp_path / "prepared", 2)).sides)
    differ = {name: (one[name], other[name]) for name in one if name != "hash" and one[name] != other[name]}
    assert differ == {"guide": ("0", "4"), "correction": ("none", "gamma"), "size": ("None", "96, 64")}
    assert {one["adain"], other["adain"]} == {"every"}


def test_one_model_twice_is_not_asked_for_a_frame(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, prepared = _model(tmp_path / "a", 0), _prepared(tmp_path / "prepared", 4)
    monkeypatch.setattr("hflow.reports.compared_frames.ModelFrames.image_and_ssim", None)
    assert compare(model, model, prepared=prepared).same == 4


def test_what_can_t_be_compared_is_refused_by_name(tmp_path: Path) -> None:
    dataset, model = _dataset(tmp_path / "a", {"1": 0}), _model(tmp_path / "m", 0)
    with pytest.raises(HflowError, match="is a dataset and the other a model"):
        compare(dataset, model, prepared=tmp_path)
    with pytest.raises(HflowError, match="nowhere is neither"):
        compare(dataset, tmp_path / "nowhere", prepared=tmp_path)
    with pytest.raises(HflowError, match="no frame in common"):
        compare(dataset, _dataset(tmp_path / "b", {"2": 0}), prepared=tmp_path)
    with pytest.raises(HflowError, match="compared on prepared frames"):
        compare(model, model, prepared=tmp_path / "none")


def test_the_table_has_every_change_the_largest_first(tmp_path: Path) -> None:
    a, b = _dataset(tmp_path / "a", {"1": 0, "2": 0}), _dataset(tmp_path / "b", {"1": 4, "2": 30})
    write_comparison(compare(a, b, prepared=tmp_path, examples=1), tmp_path / "out", classes=["road", "sky"])
    with (tmp_path / "out/changes.csv").open(newline="") as file:
        assert [(row["key"], row["difference"]) for row in csv.DictReader(file)] == [("2", "30.0"), ("1", "4.0")]
    write_comparison(compare(a, a, prepared=tmp_path), tmp_path / "out", classes=[])
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["index.html"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with running_browser() as browser:
        yield browser


@pytest.mark.parametrize("same", [False, True])
def test_the_page_works_in_a_browser(browser: Browser, tmp_path: Path, same: bool) -> None:
    a = _dataset(tmp_path / "a", {"1": 0, "2": 0})
    b = a if same else _dataset(tmp_path / "b", {"2": 30, "3": 0})
    path = write_comparison(compare(a, b, prepared=tmp_path), tmp_path / "out", classes=["road"])
    with opened(browser, path) as page:
        widths = widths_of_pictures(page)
        assert widths == [] if same else len(widths) == 3 and min(widths) > 0
        assert faults_of_access(page) == []
        if not same:
            page.check("#labels")
            # The second class has no name here.
            assert re.split(r"\s*\n\s*", page.locator(".legend").inner_text()) == ["road", "class 1"]
            page.locator(".compare input").press("End")
            assert page.locator(".compare input").get_attribute("aria-valuetext") == "100% A"
    with opened(browser, path, width=360) as page:
        assert page.evaluate("document.documentElement.scrollWidth") == 360
