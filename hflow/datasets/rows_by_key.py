"""Rows of shards by their key, for whoever has a manifest and wants some of its frames."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hflow.datasets.shards import ShardSet, read_table
from hflow.foundation.errors import HflowError

__all__ = ["RowsByKey"]


class RowsByKey:
    """Finds rows in shards; the keys of a shard are read once.

    Args:
        columns: those that a row is given with.
    """

    def __init__(self, columns: Sequence[str]):
        self.columns = list(columns)
        self._numbers: dict[Path, dict[str, int]] = {}

    def find(self, shard: Path, key: str) -> dict[str, Any]:
        """The row of a key.

        Raises:
            HflowError: the shard is missing or damaged, or has no such row.
        """
        if shard not in self._numbers:
            keys = read_table(shard, ["key"])["key"].to_pylist()
            self._numbers[shard] = {name: number for number, name in enumerate(keys)}
        number = self._numbers[shard].get(key)
        if number is None:
            raise HflowError(f"{shard} has no frame {key!r}, though the manifest names it: translate again")
        row: dict[str, Any] = ShardSet([shard], self.columns)[number]
        return row
