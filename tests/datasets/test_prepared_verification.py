"""A prepared dataset read again: each shard that is not as it was written is named."""

from collections.abc import Callable
from pathlib import Path

import pytest

from hflow.datasets.prepared_verification import verify_prepared
from hflow.datasets.shard_records import RECORDS
from hflow.datasets.shards import shard_files
from tests.conftest import Project


def test_a_prepared_dataset_is_whole_as_it_was_written(project: Project) -> None:
    found = verify_prepared(project.prepared)
    assert (found.given, found.translated, found.rejected, found.faults) == (21, 21, 0, [])


def _flip(shard: Path) -> None:
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1
    shard.write_bytes(content)


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (_flip, "NAME: has other bytes than when it was written"),
        (Path.unlink, "NAME: is missing"),
        (lambda shard: shard.rename(shard.with_name("shard-x.parquet")), "shard-x.parquet: is not named in"),
        (lambda shard: (shard.parent / RECORDS).unlink(), "tells of 0 samples, and 12 were prepared"),
        (lambda shard: (shard.parent / RECORDS).write_text("{"), "is not JSON"),
    ],
)
def test_what_is_not_as_it_was_written_is_named(given: Project, harm: Callable[[Path], object], said: str) -> None:
    shard = shard_files(given.prepared / "source/train")[1]
    harm(shard)
    faults = [str(fault) for fault in verify_prepared(given.prepared).faults]
    assert any(said.replace("NAME", shard.name) in fault for fault in faults)
    assert all(fault.startswith("source/train/") for fault in faults)
