"""A dataset translated as the tests of faults need it, and what came of it."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from hflow.datasets.shards import PREPARED_SCHEMA, read_rows, write_shard
from hflow.foundation.params import TranslateParams
from hflow.model.store import TrainedModel
from hflow.translation.dataset import translate_dataset

if TYPE_CHECKING:
    from tests.conftest import Project

__all__ = ["bytes_of", "manifest_of", "rewrite", "translate"]


def translate(
    given: "Project", model: TrainedModel, out: Path, sets: Path | None = None, **options: Any
) -> dict[str, Any]:
    return translate_dataset(
        model,
        TranslateParams.model_validate({"device": "cpu", "threads": 1, "batch_size": 2, **options}),
        prepared=given.prepared,
        out=out / "translated",
        sets=sets or given.sets,
        work=out / "work",
    )


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def manifest_of(out: Path) -> dict[str, dict[str, Any]]:
    return {row["key"]: row for row in pq.read_table(out / "translated" / "manifest.parquet").to_pylist()}


def rewrite(shard: Path, change: Callable[[list[dict[str, Any]]], None], schema: pa.Schema = PREPARED_SCHEMA) -> None:
    rows = list(read_rows(shard))
    change(rows)
    write_shard(shard, rows, schema)
