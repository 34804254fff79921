"""Comparing datasets trains the same segmenter on each, whatever else the stage segment is to do."""

from pathlib import Path

import pytest
import yaml

from hflow.commands.evaluate import _segmenter
from hflow.datasets.image_sets import open_images
from hflow.foundation.params import Params
from hflow.presets import preset_text
from tests.conftest import CLASSES, Project


def test_datasets_are_scored_where_segmenters_are_to_train_themselves_on_photographs(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").touch()
    (tmp_path / "data").mkdir()
    (tmp_path / "data/prepared").symlink_to(project.prepared)
    values = yaml.safe_load(preset_text("town"))
    values["data"]["classes"] = CLASSES
    values["segment"] |= {"steps": 1, "batch_size": 2, "device": "cpu", "self_training": {"rounds": 1}}
    score = _segmenter(Params.model_validate(values), {})
    assert score is not None
    frames = open_images(project.prepared / "source", "train")
    found = score("raw", frames, frames)
    assert found is not None
    assert 0 <= found["mIoU"] <= 1
