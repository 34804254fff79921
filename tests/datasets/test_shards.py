"""Shards: whole tables whose images show as images."""

from pathlib import Path

import pytest

from hflow.datasets.images import encode_png
from hflow.datasets.shards import (
    PREPARED_SCHEMA,
    ShardSet,
    image_value,
    read_rows,
    read_table,
    write_shard,
)
from hflow.foundation.errors import HflowError
from tests.pictures import random_picture, street_ids


def _rows(count: int) -> list[dict[str, object]]:
    return [
        {
            "key": f"{i:03d}",
            "image": image_value(encode_png(random_picture(i)), f"{i:03d}.png"),
            "truth": None,
            "label": image_value(encode_png(street_ids(i)), f"{i:03d}_labelIds.png"),
            "label_train_ids": None,
            "width": 48,
            "height": 24,
            "source_path": f"{i}.png",
            "source_sha256": "0",
            "carried": None,
        }
        for i in range(count)
    ]


def test_the_datasets_library_shows_images_as_images(tmp_path: Path) -> None:
    import datasets

    write_shard(tmp_path / "shard-0.parquet", _rows(3), PREPARED_SCHEMA)
    files = str(tmp_path / "shard-*.parquet")
    loaded = datasets.load_dataset("parquet", data_files=files, cache_dir=str(tmp_path / "cache"))["train"]
    assert isinstance(loaded.features["image"], datasets.Image)
    assert isinstance(loaded.features["label"], datasets.Image)
    assert loaded[1]["image"].size == (48, 24)
    assert (loaded[1]["image"].mode, loaded[1]["label"].mode) == ("RGB", "L")
    assert loaded[1]["label_train_ids"] is None


def test_rows_come_back_by_number_and_in_order(tmp_path: Path) -> None:
    rows = _rows(40)
    write_shard(tmp_path / "shard-a.parquet", rows[:25], PREPARED_SCHEMA)
    write_shard(tmp_path / "shard-b.parquet", rows[25:], PREPARED_SCHEMA)
    files = [tmp_path / "shard-a.parquet", tmp_path / "shard-b.parquet"]
    rowset = ShardSet(files)
    assert len(rowset) == 40
    assert [rowset[i]["key"] for i in (0, 15, 16, 24, 25, 39)] == ["000", "015", "016", "024", "025", "039"]
    assert rowset[30] == rows[30]
    assert list(read_rows(files[0])) == rows[:25]
    with pytest.raises(IndexError):
        rowset[40]


def test_the_same_rows_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_shard(tmp_path / name, _rows(20), PREPARED_SCHEMA)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_truncated_shard_is_named(tmp_path: Path) -> None:
    place = tmp_path / "shard-a.parquet"
    write_shard(place, _rows(20), PREPARED_SCHEMA)
    place.write_bytes(place.read_bytes()[:-100])
    with pytest.raises(HflowError, match=r"shard-a\.parquet"):
        read_table(place)


@pytest.mark.parametrize("place", [4, 60])
def test_damage_to_a_page_and_to_a_text_is_named(tmp_path: Path, place: int) -> None:
    path = tmp_path / "shard-a.parquet"
    write_shard(path, _rows(20), PREPARED_SCHEMA)
    content = bytearray(path.read_bytes())
    content[place] = 0xFF
    path.write_bytes(content)
    for read in (read_table, lambda path: list(read_rows(path)), lambda path: list(ShardSet([path]))):
        with pytest.raises(HflowError, match=r"shard-a\.parquet is not a whole Parquet file"):
            read(path)


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    write_shard(tmp_path / "shard-a.parquet", _rows(1), PREPARED_SCHEMA)
    with pytest.raises(HflowError, match="'ssim'"):
        read_table(tmp_path / "shard-a.parquet", ["key", "ssim"])
