"""`hflow translate FRAMES OUT`: any folder of images, each to its own name."""

from hashlib import sha256
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from PIL import Image

from hflow.errors import HflowError
from hflow.folder_translation import translate_folder
from hflow.model.store import TrainedModel, load_model
from tests.pictures import random_picture

NAMES = {"a.png": (48, 24), "b/c.jpg": (33, 21), "b/d.webp": (40, 40)}


@pytest.fixture
def frames(tmp_path: Path) -> Path:
    for i, (name, size) in enumerate(NAMES.items()):
        path = tmp_path / "frames" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random_picture(i, size)).save(path)
    return tmp_path / "frames"


@pytest.fixture(scope="module")
def model(model_folder: Path) -> TrainedModel:
    return load_model(model_folder)


def test_images_come_out_under_their_names_and_at_their_sizes(
    frames: Path, model: TrainedModel, tmp_path: Path
) -> None:
    counts = translate_folder(frames, tmp_path / "out", model)
    assert counts["translated"] == 3
    found = {p.relative_to(tmp_path / "out").as_posix(): p for p in (tmp_path / "out").rglob("*") if p.is_file()}
    assert found.keys() == NAMES.keys() | {"manifest.parquet"}
    for name, size in NAMES.items():
        with Image.open(found[name]) as image:
            assert image.size == size
    rows = {row["source_path"]: row for row in pq.read_table(found["manifest.parquet"]).to_pylist()}
    for name in NAMES:
        assert rows[name]["image_sha256"] == sha256(found[name].read_bytes()).hexdigest()
        assert rows[name]["source_sha256"] == sha256((frames / name).read_bytes()).hexdigest()


def test_a_rerun_leaves_finished_images_alone_and_makes_missing_ones(
    frames: Path, model: TrainedModel, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    translate_folder(frames, out, model)
    manifest = (out / "manifest.parquet").read_bytes()
    times = {name: (out / name).stat().st_mtime_ns for name in NAMES}
    (out / "a.png").unlink()
    translate_folder(frames, out, model)
    assert (out / "b/c.jpg").stat().st_mtime_ns == times["b/c.jpg"]
    assert (out / "a.png").is_file()
    assert (out / "manifest.parquet").read_bytes() == manifest


def test_a_faulty_image_is_named_and_the_others_are_translated(
    frames: Path, model: TrainedModel, tmp_path: Path
) -> None:
    (frames / "bad.png").write_bytes(b"nothing")
    with pytest.raises(HflowError, match=r"1 of 4 .*bad\.png.*--max-rejected"):
        translate_folder(frames, tmp_path / "out", model)
    assert (tmp_path / "out" / "a.png").is_file()
    counts = translate_folder(frames, tmp_path / "out", model, max_rejected=0.5)
    assert (counts["translated"], counts["rejected"]) == (3, 1)


def test_a_folder_that_holds_something_else_is_not_written_to(
    frames: Path, model: TrainedModel, tmp_path: Path
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    with pytest.raises(HflowError, match="holds something else"):
        translate_folder(frames, tmp_path / "out", model)
    with pytest.raises(HflowError, match="lies in"):
        translate_folder(frames, frames / "out", model)


def test_a_folder_without_images_is_an_error(model: TrainedModel, tmp_path: Path) -> None:
    with pytest.raises(HflowError, match="has no images"):
        translate_folder(tmp_path / "none", tmp_path / "out", model)
