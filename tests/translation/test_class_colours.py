"""Labels that stay true move each class to its colour in the target."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from skimage.color import rgb2lab

from hflow.datasets.images import decode_ids, decode_rgb
from hflow.datasets.shards import ShardSet, read_rows, shard_files
from hflow.datasets.tensors import to_tensor
from hflow.foundation.errors import HflowError
from hflow.metrics.invented_detail import DETAIL_LIMIT, invented_detail
from hflow.model.store import TrainedModel
from hflow.training.typical_colours import typical_colours
from hflow.translation.class_colours import ClassColours
from tests.conftest import Project
from tests.translations import manifest_of, translate

CLASSES = ("road", "sky", "car")
WANTED = {"road": [40.0, 0.0, 0.0], "sky": [80.0, -5.0, -10.0], "car": None}


def _street() -> tuple[np.ndarray, np.ndarray]:
    """Noisy road below noisy sky, with a strip that has no class, (64, 96, 3), and train ids, (64, 96)."""
    random = np.random.default_rng(0)
    ids = np.repeat(np.array([1] * 30 + [255] * 4 + [0] * 30, np.uint8)[:, None], 96, axis=1)
    pixels = np.where(ids[..., None] == 1, 200, 90) + random.normal(0, 8, (64, 96, 1))
    return pixels.clip(0, 255).astype(np.uint8).repeat(3, axis=2), ids


def test_each_class_has_its_colour_in_the_target_afterwards() -> None:
    pixels, ids = _street()
    moved = ClassColours({"class_colours": WANTED}, CLASSES)(pixels, pixels, ids)
    lab = rgb2lab(moved)
    assert lab[ids == 0].mean(axis=0) == pytest.approx(WANTED["road"], abs=1.5)
    assert lab[ids == 1].mean(axis=0) == pytest.approx(WANTED["sky"], abs=1.5)
    assert invented_detail(to_tensor(pixels)[None], to_tensor(moved)[None]).item() < DETAIL_LIMIT


def test_a_class_without_a_colour_in_the_target_and_a_frame_without_classes_are_left_alone() -> None:
    pixels, ids = _street()
    move = ClassColours({"class_colours": WANTED}, CLASSES)
    for alone in (np.full_like(ids, 255), np.full_like(ids, 2)):
        assert (move(pixels, pixels, alone) == pixels).all()


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({}, "knows no colours of its target's classes"),
        ({"class_colours": dict.fromkeys(CLASSES)}, "knows no colours of its target's classes"),
        ({"class_colours": {"sky": [1, 2, 3], "road": None}}, "the colours of sky, road, and the frames' classes are"),
    ],
)
def test_a_model_that_knows_no_such_colours_says_so(config: dict[str, Any], said: str) -> None:
    with pytest.raises(HflowError, match=said):
        ClassColours(config, CLASSES)


def test_a_dataset_is_moved_by_its_labels(project: Project, model: TrainedModel, tmp_path: Path) -> None:
    wanted = {"road": [30.0, 5.0, 5.0], "sky": [90.0, 0.0, -5.0], "car": [60.0, 40.0, 20.0]}
    told = TrainedModel(model.network, model.styles, {**model.config, "class_colours": wanted}, model.sha256)
    errors = {}
    for moved in (False, True):
        out = tmp_path / str(moved)
        translate(project, told, out, sets=tmp_path / "sets", class_colours=moved)
        rows = [row for file in shard_files(out / "translated/train") for row in read_rows(file)]
        errors[moved] = np.mean([_error(row, wanted) for row in rows])
    assert errors[True] < 0.6 * errors[False]
    marks = {next(iter(manifest_of(tmp_path / str(m)).values()))["params_fingerprint"] for m in (False, True)}
    assert len(marks) == 2


def test_the_colours_of_classes_are_measured_in_the_target(project: Project) -> None:
    target = ShardSet(shard_files(project.prepared / "target/train"), ["key", "image", "label_train_ids"])
    found = typical_colours(target, [*CLASSES, "bicycle"], None)
    assert list(found) == [*CLASSES, "bicycle"]
    assert found["bicycle"] is None
    assert typical_colours(target, (), None) == {}


def _error(row: dict[str, Any], wanted: dict[str, list[float]]) -> float:
    lab, ids = rgb2lab(decode_rgb(row["image"]["bytes"])), decode_ids(row["label_train_ids"]["bytes"])
    present = [i for i in range(len(CLASSES)) if (ids == i).mean() > 0.01]
    return float(np.mean([np.linalg.norm(lab[ids == i].mean(axis=0) - wanted[CLASSES[i]]) for i in present]))
