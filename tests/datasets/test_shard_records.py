"""What is noted of shards when they are written stands for their bytes, until they are of another length."""

import pickle
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from hflow.datasets import shard_records
from hflow.datasets.shard_records import RECORDS, shard_hashes
from hflow.datasets.shards import PREPARED_SCHEMA, ShardSet, image_value, read_rows, shard_files, write_shard
from hflow.foundation.errors import HflowError
from hflow.foundation.hashes import sha256_file
from tests.conftest import Project


def test_prepare_notes_hash_and_rows_of_every_shard(project: Project) -> None:
    for folder in ("source/train", "target/train", "target/val"):
        shards = shard_files(project.prepared / folder)
        known = shard_records.recorded(shards)
        assert [known[path].sha256 for path in shards] == [sha256_file(path) for path in shards]
        assert [known[path].rows for path in shards] == [pq.read_metadata(path).num_rows for path in shards]


def test_a_noted_shard_is_neither_hashed_nor_opened_and_one_of_another_length_is(
    given: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    shards = shard_files(given.prepared / "source/train")
    noted = shard_hashes(shards)
    shards[0].write_bytes(shards[0].read_bytes() + b" ")
    read = []
    monkeypatch.setattr(shard_records, "sha256_file", lambda path: read.append(path) or sha256_file(path))
    now = shard_hashes(shards)
    assert read == shards[:1]
    assert [a == b for a, b in zip(now, noted, strict=True)] == [False, True, True, True]


def test_a_set_of_shards_is_opened_without_reading_those_that_were_noted(given: Project) -> None:
    shards = shard_files(given.prepared / "source/train")
    for shard in shards:
        shard.write_bytes(bytes(shard.stat().st_size))
    samples = ShardSet(shards)
    assert len(samples) == 12
    with pytest.raises(HflowError, match=rf"{shards[0].name} is not a whole Parquet file"):
        samples[0]


def test_a_damaged_record_is_named(given: Project) -> None:
    shards = shard_files(given.prepared / "source/train")
    (shards[0].parent / RECORDS).write_text(f'{{"{shards[0].name}": 3}}')
    with pytest.raises(HflowError, match=r"shards\.json tells of no shards: run what wrote"):
        shard_hashes(shards)


def test_a_sample_costs_its_own_bytes_and_little_more(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    sizes = [int(size) for size in random.integers(10_000, 1_500_000, 40)]
    empty = dict.fromkeys(PREPARED_SCHEMA.names)
    rows = [
        empty | {"key": f"{n:02d}", "image": image_value(random.bytes(size), "x.png"), "width": 1, "height": 1}
        for n, size in enumerate(sizes)
    ]
    path = tmp_path / "shard-0.parquet"
    write_shard(path, rows, PREPARED_SCHEMA)
    samples = ShardSet([path], ["key", "image"])
    assert samples[3] == {"key": "03", "image": rows[3]["image"]}
    for number in random.permutation(40):
        before = _bytes_read()
        samples[int(number)]
        assert _bytes_read() - before < max(sizes[number], 1 << 20) + (64 << 10)


def test_a_set_of_shards_that_was_read_can_go_to_another_process(project: Project) -> None:
    shards = shard_files(project.prepared / "source/train")
    samples = ShardSet(shards, ["key"])
    keys = [row["key"] for shard in shards for row in read_rows(shard)]
    assert [row["key"] for row in samples] == keys
    assert [row["key"] for row in pickle.loads(pickle.dumps(samples))] == keys


def _bytes_read() -> int:
    """All that this process has read by system calls."""
    return int(Path("/proc/self/io").read_text().split()[1])
