"""Comparing datasets trains the same segmenter on each, whatever else the stage segment is to do, and is not lost where
one can't be trained."""

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml

from hflow.commands.evaluate import _segmenter
from hflow.datasets.image_sets import open_images
from hflow.datasets.shards import PREPARED_SCHEMA, shard_files, write_shard
from hflow.foundation.params import Params
from hflow.presets import preset_text
from tests.conftest import CLASSES, Project


@pytest.fixture
def params(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Params:
    """Of a project whose data are prepared."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").touch()
    (tmp_path / "data").mkdir()
    (tmp_path / "data/prepared").symlink_to(project.prepared)
    values = yaml.safe_load(preset_text("town"))
    values["data"]["classes"] = CLASSES
    values["segment"] |= {"steps": 1, "batch_size": 2, "device": "cpu", "self_training": {"rounds": 1}}
    return Params.model_validate(values)


def test_datasets_are_scored_where_segmenters_are_to_train_themselves_on_photographs(
    project: Project, params: Params
) -> None:
    score = _segmenter(params, {})
    assert score is not None
    frames = open_images(project.prepared / "source", "train")
    found = score("raw", frames, frames)
    assert found is not None
    assert 0 <= found["mIoU"] <= 1


def test_no_segmenter_is_trained_where_the_validation_set_has_no_labels(project: Project, params: Params) -> None:
    prepared = Path("data/prepared")
    prepared.unlink()
    (prepared / "target/val").mkdir(parents=True)
    for shard in shard_files(project.prepared / "target/val"):
        rows = [row | {"label": None, "label_train_ids": None} for row in pq.read_table(shard).to_pylist()]
        write_shard(prepared / "target/val" / shard.name, rows, PREPARED_SCHEMA)
    assert _segmenter(params, {}) is None


def test_a_set_on_which_no_segmenter_can_be_trained_costs_no_other_figure(project: Project, params: Params) -> None:
    protocol: dict[str, Any] = {}
    values = params.model_dump()
    values["segment"] |= {"learning_rate": 1e30, "steps": 4}
    score = _segmenter(Params.model_validate(values), protocol)
    assert score is not None
    frames = open_images(project.prepared / "source", "train")
    assert score("raw", frames, frames) is None
    assert protocol["segmenter of raw"].startswith("none: ")
