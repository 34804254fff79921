"""What can't be exported as it is, is refused, and nothing is written."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hflow.datasets.shards import TRANSLATED_SCHEMA, read_rows, shard_files, write_shard
from hflow.export.destination import open_destination
from hflow.export.writing import export
from hflow.foundation.errors import HflowError


def _forged(dataset: Path, tmp_path: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    """A dataset of one shard whose two rows agree with its manifest."""
    first = list(read_rows(max(shard_files(dataset / "train"), key=lambda p: pq.read_metadata(p).num_rows)))[:2]
    change(first[0])
    manifest = pq.read_table(dataset / "manifest.parquet")
    said = {row["key"]: row for row in manifest.to_pylist()}
    kept = [next(iter(said.values())) | {k: v for k, v in row.items() if k in manifest.schema.names} for row in first]
    out = tmp_path / "forged"
    (out / "train").mkdir(parents=True)
    write_shard(out / "train" / "shard-0.parquet", first, TRANSLATED_SCHEMA)
    rows = [row | {"shard": "shard-0.parquet", "status": "translated"} for row in kept]
    pq.write_table(pa.Table.from_pylist(rows, schema=manifest.schema), out / "manifest.parquet")
    return out


def test_a_key_that_leads_outside_writes_nothing(dataset: Path, tmp_path: Path) -> None:
    forged = _forged(dataset, tmp_path, lambda row: row.update(key="../../x"))
    with pytest.raises(HflowError, match="plain relative path"):
        export(forged, tmp_path / "a" / "b" / "out", layout="gta")
    assert not list(tmp_path.rglob("x*"))


def test_the_folder_that_one_is_in_is_said_to_be_there(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(HflowError, match="holds something else already"):
        export(dataset, Path(), layout="gta")
    assert not list(tmp_path.iterdir())


def test_what_an_interrupted_export_noted_is_found_under_a_relative_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    note = {"files": {}, "frames": []}
    with open_destination(Path("out"), "mark") as there:
        assert there.already() is None
        there.keep("shard", note)
    with open_destination(Path("out"), "mark") as there:
        assert there.already() is None
        assert there.finished("shard") == note


def test_two_frames_of_one_name_are_refused(dataset: Path, tmp_path: Path) -> None:
    forged = _forged(dataset, tmp_path, lambda row: row.update(key="a.b"))
    rows = list(read_rows(forged / "train/shard-0.parquet"))
    rows[1]["key"] = "a_b"
    write_shard(forged / "train/shard-0.parquet", rows, TRANSLATED_SCHEMA)
    table = pq.read_table(forged / "manifest.parquet").to_pylist()
    table[1]["key"] = "a_b"
    pq.write_table(
        pa.Table.from_pylist(table, schema=pq.read_schema(forged / "manifest.parquet")), forged / "manifest.parquet"
    )
    with pytest.raises(HflowError, match=r"would both become a_b\.png"):
        export(forged, tmp_path / "out", layout="webdataset")


def test_a_dataset_that_is_not_as_its_manifest_says_is_not_exported(dataset: Path, tmp_path: Path) -> None:
    forged = _forged(dataset, tmp_path, lambda _: None)
    rows = list(read_rows(forged / "train/shard-0.parquet"))
    rows[0]["label"] = rows[0]["label_train_ids"]
    write_shard(forged / "train/shard-0.parquet", rows, TRANSLATED_SCHEMA)
    with pytest.raises(HflowError, match="not as the manifest says"):
        export(forged, tmp_path / "out", layout="gta")
    assert not (tmp_path / "out").exists()
