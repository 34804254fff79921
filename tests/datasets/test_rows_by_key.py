"""A row is found by its key in the shard that has it, and a missing one is named."""

from pathlib import Path

import pytest

from hflow.datasets.rows_by_key import RowsByKey
from hflow.datasets.shards import PREPARED_SCHEMA, write_shard
from hflow.foundation.errors import HflowError


def test_rows_are_found_in_any_order_in_their_own_shards(tmp_path: Path) -> None:
    shards = {tmp_path / f"shard-{n}.parquet": [f"{n}/{i}" for i in range(40)] for n in range(2)}
    for shard, keys in shards.items():
        rows = [dict.fromkeys(PREPARED_SCHEMA.names) | {"key": key, "width": i} for i, key in enumerate(keys)]
        write_shard(shard, rows, PREPARED_SCHEMA)
    rows = RowsByKey(["key", "width"])
    for number in (39, 0, 17):
        for shard, keys in shards.items():
            assert rows.find(shard, keys[number]) == {"key": keys[number], "width": number}
    first, second = shards
    with pytest.raises(HflowError, match=rf"{first} has no frame '1/0', though the manifest names it"):
        rows.find(first, shards[second][0])
