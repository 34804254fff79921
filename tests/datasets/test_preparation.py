"""prepare: every sample is in a shard or rejected with its reason, and faults of the whole end it at once."""

import errno
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from hflow.datasets.images import decode_ids, decode_rgb
from hflow.datasets.preparation import prepare
from hflow.datasets.preparation_stats import read_stats
from hflow.datasets.shards import read_rows, shard_files
from hflow.datasets.training_sets import read_training_set
from hflow.foundation.errors import HflowError
from hflow.foundation.params import DataParams, PrepareParams
from tests.pictures import street_ids, write_cityscapes, write_folder, write_gta


@pytest.fixture
def roots(tmp_path: Path) -> tuple[Path, Path]:
    return write_gta(tmp_path / "gta", 12), write_cityscapes(tmp_path / "cs", [("train", 6), ("val", 3)])


def _prepare(roots: tuple[Path, Path], tmp_path: Path, **options: Any) -> dict[str, Any]:
    data = DataParams.model_validate(
        {
            "source": {"root": roots[0], "layout": options.pop("source_layout", "gta")},
            "target": {"root": roots[1], "layout": options.pop("target_layout", "cityscapes")},
            "classes": options.pop("classes", ["road", "sky", "car"]),
        }
    )
    params = PrepareParams(**{"size": (32, 16), "shard_size": 4} | options)
    return prepare(data, params, out=tmp_path / "prepared", sets=tmp_path / "sets", work=tmp_path / "work")


def _rows(tmp_path: Path, where: str) -> dict[str, dict[str, Any]]:
    return {row["key"]: row for path in shard_files(tmp_path / "prepared" / where) for row in read_rows(path)}


def _rejected(tmp_path: Path) -> list[dict[str, Any]]:
    return pq.read_table(tmp_path / "prepared" / "rejected.parquet").to_pylist()


def test_every_sample_is_in_a_shard_at_the_size_asked_for(roots: tuple[Path, Path], tmp_path: Path) -> None:
    stats = _prepare(roots, tmp_path)
    rows = _rows(tmp_path, "source/train")
    assert sorted(rows) == [f"{i:05d}" for i in range(12)]
    assert len(_rows(tmp_path, "target/train")) == 6
    assert sorted(_rows(tmp_path, "target/val")) == [f"aville/aville_{i:06d}_000019" for i in range(3)]
    assert {decode_rgb(row["image"]["bytes"]).shape for row in rows.values()} == {(16, 32, 3)}
    assert stats["source/train"]["given"] == stats["source/train"]["prepared"] == 12
    assert json.loads((tmp_path / "prepared" / "stats.json").read_text()) == stats
    assert len(read_training_set(tmp_path / "sets" / "source.json").files) == len(
        shard_files(tmp_path / "prepared/source/train")
    )


def test_an_image_of_too_many_pixels_is_rejected_and_a_label_larger_than_its_image(
    roots: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.new("RGB", (60, 40), (9, 8, 7)).save(roots[0] / "images/00001.png")
    Image.new("L", (300, 200)).save(roots[0] / "labels/00002.png")
    decoded = []
    load = Image.Image.load
    monkeypatch.setattr(Image.Image, "load", lambda self: decoded.append(self.size) or load(self))
    _prepare(roots, tmp_path, max_rejected=0.5, max_pixels=48 * 24)
    assert [row["reason"] for row in _rejected(tmp_path)] == [
        "has too many pixels: it is 60x40, the most is 1,152",
        "label of another size: the label is 300x200, the image 48x24",
    ]
    assert not {(60, 40), (300, 200)} & set(decoded)


def test_labels_are_raw_ids_and_train_ids_by_nearest_neighbour(roots: tuple[Path, Path], tmp_path: Path) -> None:
    _prepare(roots, tmp_path, size="native")
    for where, key in (("source/train", "00003"), ("target/train", "aville/aville_000003_000019")):
        row = _rows(tmp_path, where)[key]
        ids = decode_ids(row["label"]["bytes"])
        assert np.array_equal(ids, street_ids(3))
        train_ids = decode_ids(row["label_train_ids"]["bytes"])
        assert {(int(a), int(b)) for a, b in zip(ids.ravel(), train_ids.ravel(), strict=True)} == {
            (7, 0),
            (23, 1),
            (26, 2),
        }


def test_a_raw_id_without_a_class_is_ignored_not_a_fault(roots: tuple[Path, Path], tmp_path: Path) -> None:
    _prepare(roots, tmp_path, classes=["road", "car"])
    train_ids = decode_ids(_rows(tmp_path, "source/train")["00003"]["label_train_ids"]["bytes"])
    assert set(np.unique(train_ids)) == {0, 1, 255}
    unscored = read_stats(tmp_path / "prepared")["unscored"]
    assert "sky" in unscored
    assert not {"road", "car", "unlabeled", "ego vehicle"} & {*unscored}


def test_a_folder_of_ones_own_brings_its_classes(roots: tuple[Path, Path], tmp_path: Path) -> None:
    root = write_folder(tmp_path / "mine", 5)
    _prepare((root, roots[1]), tmp_path, source_layout="folder")
    row = _rows(tmp_path, "source/train")["town/2"]
    assert set(np.unique(decode_ids(row["label"]["bytes"]))) == {0, 1, 2}
    assert row["source_path"] == "images/town/2.png"


def test_images_without_labels_and_without_validation_set_are_prepared(tmp_path: Path) -> None:
    source, target = tmp_path / "gta", write_cityscapes(tmp_path / "cs", [("train", 2)])
    write_gta(source, 3)
    for folder in (source / "labels", target / "gtFine"):
        folder.rename(tmp_path / folder.name)
    _prepare((source, target), tmp_path)
    assert all(row["label"] is None for row in _rows(tmp_path, "source/train").values())
    assert not (tmp_path / "prepared" / "target" / "val").exists()


def _truncate(root: Path) -> None:
    path = root / "images" / "00001.png"
    path.write_bytes(path.read_bytes()[:200])


def _lose_label(root: Path) -> None:
    (root / "labels" / "00001.png").unlink()


def _shrink_label(root: Path) -> None:
    Image.open(root / "labels" / "00001.png").resize((10, 10), Image.Resampling.NEAREST).save(root / "labels/00001.png")


def _flatten(root: Path) -> None:
    Image.new("RGB", (48, 24), (5, 5, 5)).save(root / "images" / "00001.png")


def _unknown_colour(root: Path) -> None:
    Image.new("RGB", (48, 24), (5, 5, 5)).save(root / "labels" / "00001.png")


def _lose_image(root: Path) -> None:
    (root / "images" / "00001.png").unlink()


FAULTS = {
    "can't be decoded": _truncate,
    "label missing": _lose_label,
    "label is 10x10, the image 48x24": _shrink_label,
    "is of one colour": _flatten,
    "labels/00001.png: the colour (5, 5, 5)": _unknown_colour,
    "label without image": _lose_image,
}


@pytest.mark.parametrize("reason", FAULTS)
def test_a_faulty_sample_is_rejected_with_its_reason(roots: tuple[Path, Path], tmp_path: Path, reason: str) -> None:
    FAULTS[reason](roots[0])
    stats = _prepare(roots, tmp_path, max_rejected=0.2)
    (rejection,) = _rejected(tmp_path)
    assert (rejection["domain"], rejection["split"], rejection["key"]) == ("source", "train", "00001")
    assert reason in rejection["reason"]
    assert "00001" not in _rows(tmp_path, "source/train")
    assert stats["source/train"] | {"given": 12, "prepared": 11, "rejected": 1} == stats["source/train"]


@pytest.mark.parametrize("folder", ["images", "labels"])
def test_a_sample_that_could_not_be_read_for_a_while_is_read_by_the_next_run(
    roots: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    _lose_label(roots[0])
    plain = Path.read_bytes

    def away(path: Path) -> bytes:
        if path == roots[0] / folder / "00003.png":
            raise OSError(errno.EIO, "Input/output error", str(path))
        return plain(path)

    with monkeypatch.context() as disk:
        disk.setattr(Path, "read_bytes", away)
        assert _prepare(roots, tmp_path, max_rejected=0.2)["source/train"]["rejected"] == 2
    assert any("can't be read: " in rejection["reason"] for rejection in _rejected(tmp_path))
    before = {p.name: p.stat().st_mtime_ns for p in (tmp_path / "work").glob("*") if p.with_suffix(".json").is_file()}
    assert _prepare(roots, tmp_path, max_rejected=0.2)["source/train"]["rejected"] == 1
    assert "00003" in _rows(tmp_path, "source/train")
    for name, made in before.items():
        piece = tmp_path / "work" / name
        assert piece.suffix or piece.stat().st_mtime_ns == made, "a shard without such a sample was made again"


def test_too_many_faulty_samples_are_an_error_that_leaves_what_was_there(
    roots: tuple[Path, Path], tmp_path: Path
) -> None:
    _prepare(roots, tmp_path)
    _truncate(roots[0])
    with pytest.raises(HflowError, match=r"1 of 12 .* prepare\.max_rejected .* images/00001\.png"):
        _prepare(roots, tmp_path)
    assert len(_rows(tmp_path, "source/train")) == 12


def test_a_missing_root_is_named(roots: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(HflowError, match="nowhere is missing"):
        _prepare((tmp_path / "nowhere", roots[1]), tmp_path)


def test_an_empty_folder_is_named(roots: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "empty" / "images").mkdir(parents=True)
    with pytest.raises(HflowError, match=r"empty has no image"):
        _prepare((tmp_path / "empty", roots[1]), tmp_path)


def test_another_layout_is_recognised(roots: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(HflowError, match=r"not of the layout 'gta'; it looks like the layout 'cityscapes'"):
        _prepare((roots[1], roots[1]), tmp_path)


def test_a_new_frame_changes_its_own_shard_alone(roots: tuple[Path, Path], tmp_path: Path) -> None:
    _prepare(roots, tmp_path)
    before = {p.name: p.read_bytes() for p in shard_files(tmp_path / "prepared/source/train")}
    picture = Image.open(roots[0] / "images" / "00001.png").rotate(180)
    picture.save(roots[0] / "images" / "00001b.png")
    Image.open(roots[0] / "labels" / "00001.png").save(roots[0] / "labels" / "00001b.png")
    _prepare(roots, tmp_path)
    after = {p.name: p.read_bytes() for p in shard_files(tmp_path / "prepared/source/train")}
    assert sum(before.get(name) != content for name, content in after.items()) <= 2
    assert len(_rows(tmp_path, "source/train")) == 13


def test_the_number_of_workers_changes_no_byte(roots: tuple[Path, Path], tmp_path: Path) -> None:
    for workers in (1, 3):
        _prepare(roots, tmp_path / str(workers), workers=workers)
    files = {
        workers: {p.name: p.read_bytes() for p in (tmp_path / workers / "prepared").rglob("*.parquet")}
        for workers in ("1", "3")
    }
    assert files["1"] == files["3"]
