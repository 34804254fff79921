"""Rows of shards by their key, for whoever has a manifest and wants some of its frames."""

from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from hflow.datasets.shards import ShardSet, read_table
from hflow.foundation.errors import HflowError

__all__ = ["RowsByKey"]

OPEN = 16
"""So many shards are kept open, those that were asked last."""


class RowsByKey:
    """Finds rows in shards; who asks shard by shard has each opened, and its keys read, once.

    Args:
        columns: those that a row is given with.
    """

    def __init__(self, columns: Sequence[str]):
        self.columns = list(columns)
        self._opened: OrderedDict[Path, tuple[pa.ChunkedArray, ShardSet]] = OrderedDict()

    def find(self, shard: Path, key: str) -> dict[str, Any]:
        """The row of a key.

        Raises:
            HflowError: the shard is missing or damaged, or has no such row.
        """
        if shard not in self._opened:
            self._opened[shard] = read_table(shard, ["key"])["key"], ShardSet([shard], self.columns)
            if len(self._opened) > OPEN:
                self._opened.popitem(last=False)
        self._opened.move_to_end(shard)
        keys, rows = self._opened[shard]
        number = pc.index(keys, key).as_py()
        if number < 0:
            raise HflowError(f"{shard} has no frame {key!r}, though the manifest names it: translate again")
        row: dict[str, Any] = rows[number]
        return row
