"""A manifest is read as it was written; what is wrong with it is named."""

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from hflow.datasets.manifest import MANIFEST_SCHEMA, ManifestWriter, read_manifest
from hflow.foundation.errors import HflowError

ROWS = [
    {"key": "a", "split": "train", "status": "translated", "model_sha256": "m"},
    {"key": "b", "split": "train", "status": "rejected", "reason": "truncated"},
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "manifest.parquet"
    with ManifestWriter(path, ["road"]) as manifest:
        manifest.write(ROWS)
    return path


def _whole(row: dict[str, Any]) -> dict[str, Any]:
    return dict.fromkeys(MANIFEST_SCHEMA.names) | row


def test_rows_and_classes_are_read(path: Path) -> None:
    manifest = read_manifest(path)
    assert list(manifest.rows) == [_whole(row) for row in ROWS]
    assert ([*manifest.translated], [*manifest.rejected]) == ([*manifest.rows[:1]], [*manifest.rows[1:]])
    assert manifest.classes == ["road"]


def test_the_model_that_made_it_is_told_from_others(path: Path) -> None:
    manifest = read_manifest(path)
    manifest.check_made_by("m", Path("models/hflow"))
    with pytest.raises(HflowError, match="was not made by the model in models/hflow"):
        manifest.check_made_by("n", Path("models/hflow"))


@pytest.mark.parametrize("column", ["consistency", "label_sha256"])
def test_a_column_of_a_later_version_is_filled_where_that_is_asked_for(path: Path, column: str) -> None:
    pq.write_table(pq.read_table(path).drop_columns([column]), path)
    with pytest.raises(HflowError, match=f"has no column '{column}': translate again"):
        read_manifest(path)
    assert list(read_manifest(path, fill=True).rows) == [_whole(row) for row in ROWS]


def test_another_table_is_no_manifest(path: Path) -> None:
    pq.write_table(pq.read_table(path).drop_columns(["status"]), path)
    with pytest.raises(HflowError, match="has no column 'status'"):
        read_manifest(path, fill=True)


def test_a_missing_or_damaged_manifest_is_named(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:-20])
    with pytest.raises(HflowError, match=r"manifest\.parquet is not a whole Parquet file"):
        read_manifest(path)
    path.unlink()
    with pytest.raises(HflowError, match=r"manifest\.parquet is missing"):
        read_manifest(path)


def test_a_changed_byte_is_found(path: Path) -> None:
    content = bytearray(path.read_bytes())
    place = content.index(b"truncated")
    content[place] ^= 1
    path.write_bytes(content)
    with pytest.raises(HflowError, match="make it again"):
        read_manifest(path)
