"""A camera changes how a picture is taken, and nothing about what is where."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from hflow.datasets.images import decode_rgb, encode_png
from hflow.datasets.shards import read_rows, shard_files
from hflow.datasets.tensors import to_tensor
from hflow.foundation.errors import HflowError
from hflow.metrics.ssim_psnr import ssim
from hflow.model.store import TrainedModel
from hflow.translation.camera import Camera
from hflow.translation.folder import translate_folder
from tests.conftest import Project
from tests.translations import manifest_of, translate

PIXELS = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)  # (H, W, 3)
OFF = {"blur": 0.0, "sharpen": 0.0, "noise": 0.0, "quality": None}


def test_no_camera_changes_nothing() -> None:
    assert (Camera()(PIXELS, 0) == PIXELS).all()


@pytest.mark.parametrize("camera", [Camera(blur=1.0), Camera(sharpen=1.0), Camera(noise=4.0), Camera(quality=50)])
def test_each_part_changes_the_picture_the_same_way_every_time(camera: Camera) -> None:
    taken = camera(PIXELS, 1)
    assert taken.shape == PIXELS.shape
    assert taken.dtype == np.uint8
    assert (taken != PIXELS).any()
    assert (camera(PIXELS, 1) == taken).all()


def test_the_noise_has_the_strength_that_is_said_and_another_seed_gives_another() -> None:
    grey = np.full((200, 200, 3), 128, np.uint8)
    taken = Camera(noise=3.0)(grey, 0)
    assert taken.astype(float).std() == pytest.approx(3.0, abs=0.1)
    assert (taken[..., 0] == taken[..., 2]).all()
    assert (Camera(noise=3.0)(grey, 1) != taken).any()


def test_a_model_without_a_camera_says_so() -> None:
    assert Camera.of({"camera": Camera(blur=1.0, quality=80).settings}) == Camera(blur=1.0, quality=80)
    with pytest.raises(HflowError, match="knows no camera of its target: train it again"):
        Camera.of({})


@pytest.fixture
def noisy(model: TrainedModel) -> TrainedModel:
    return TrainedModel(model.network, model.styles, {**model.config, "camera": {**OFF, "noise": 4.0}}, model.sha256)


def test_a_dataset_is_taken_by_the_models_camera_and_measured_as_it_is(
    project: Project, noisy: TrainedModel, tmp_path: Path
) -> None:
    plain, taken = tmp_path / "plain", tmp_path / "taken"
    for out, camera in ((plain, False), (taken, True), (tmp_path / "again", True)):
        translate(project, noisy, out, sets=tmp_path / "sets", camera=camera)
    files = shard_files(taken / "translated/train")
    assert [f.read_bytes() for f in files] == [f.read_bytes() for f in shard_files(tmp_path / "again/translated/train")]
    without = {row["key"]: row for f in shard_files(plain / "translated/train") for row in read_rows(f)}
    sources = {row["key"]: row for f in shard_files(project.prepared / "source/train") for row in read_rows(f)}
    rows = [row for file in files for row in read_rows(file)]
    apart = [_pixels(row).astype(float) - _pixels(without[row["key"]]) for row in rows]
    assert np.std(apart) == pytest.approx(4.0, abs=0.4)
    assert np.abs(apart[0] - apart[1]).max() > 4  # each frame has noise of its own
    for row in rows:
        again = ssim(to_tensor(_pixels(row))[None], to_tensor(_pixels(sources[row["key"]]))[None]).item()
        assert row["ssim"] == pytest.approx(again, abs=1e-4)
        assert row["label"] == without[row["key"]]["label"]
    marks = {manifest_of(out)[rows[0]["key"]]["params_fingerprint"] for out in (plain, taken)}
    assert len(marks) == 2


def test_a_folder_is_taken_by_it_too(noisy: TrainedModel, tmp_path: Path) -> None:
    (tmp_path / "frames").mkdir()
    (tmp_path / "frames/a.png").write_bytes(encode_png(PIXELS))
    for name, camera in (("plain", False), ("taken", True)):
        translate_folder(tmp_path / "frames", tmp_path / name, noisy, camera=camera)
    plain, taken = (np.asarray(Image.open(tmp_path / name / "a.png")).astype(float) for name in ("plain", "taken"))
    assert 2 < np.std(taken - plain) <= 4.2
    marks = [pq.read_table(tmp_path / n / "manifest.parquet")["params_fingerprint"][0] for n in ("plain", "taken")]
    assert marks[0] != marks[1]


def _pixels(row: dict[str, Any]) -> np.ndarray:
    return decode_rgb(row["image"]["bytes"])
