"""Rows of a manifest as Arrow holds them, a tenth of the memory that they take as Python's mappings."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, overload

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["ROWS_AT_ONCE", "SHARED", "ManifestRows", "as_one_text", "dense", "joined"]

Row = Mapping[str, Any]

ROWS_AT_ONCE = 4096
"""So many rows are mappings at a time."""

SHARED = (
    *("split", "shard", "status", "reason", "style", "model", "model_sha256", "precision", "backend"),
    *("params_fingerprint", "code_fingerprint", "fingerprint"),
)
"""Columns of which many rows have the same value, so that each is kept once."""


class ManifestRows(Sequence[Row]):
    """Some rows of a table, in order, which become mappings when they are asked for.

    Args:
        table: has a column for each name.
        places: which of its rows; None is all.
    """

    def __init__(self, table: pa.Table, places: np.ndarray | None = None):
        self.table = table
        self.places = np.arange(len(table)) if places is None else places

    def __len__(self) -> int:
        return len(self.places)

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> "ManifestRows": ...
    def __getitem__(self, index: int | slice) -> "Row | ManifestRows":
        if isinstance(index, slice):
            return self.at(index)
        row: Row = self.table.slice(int(self.places[index]), 1).to_pylist()[0]
        return row

    def __iter__(self) -> Iterator[Row]:
        for table in self.tables(ROWS_AT_ONCE):
            yield from table.to_pylist()

    def tables(self, rows: int) -> Iterator[pa.Table]:
        """All of them, so many at a time."""
        for first in range(0, len(self), rows):
            yield self.table.take(self.places[first : first + rows])

    def in_order(self, *names: str) -> "ManifestRows":
        """The rows sorted by columns of texts, null as "", those that are equal in their order."""
        return self.at(self.order(*names))

    def order(self, *names: str) -> np.ndarray:
        """The numbers of the rows as `in_order` sorts them, int64 (N,)."""
        keys = pa.table({name: self.column(name).fill_null("") for name in names})
        numbers: np.ndarray = pc.sort_indices(keys, sort_keys=[(name, "ascending") for name in names]).to_numpy()
        return numbers.astype(np.int64)

    def select(self, *names: str) -> "ManifestRows":
        """The same rows with these columns alone, which are then read faster."""
        return ManifestRows(self.table.select(names), self.places)

    def column(self, name: str) -> pa.ChunkedArray:
        """A column's values, plain where many rows have the same."""
        found = self.table[name].take(self.places)
        return found.cast(found.type.value_type) if pa.types.is_dictionary(found.type) else found

    def occurring(self, name: str) -> list[Any]:
        """The values of a column, each once, in the order in which they come first."""
        values: list[Any] = self.table[name].take(self.places).unique().to_pylist()
        return values

    def counts(self, *names: str) -> Iterator[tuple[tuple[Any, ...], int]]:
        """What the rows have in these columns, each once, and how many rows have it; in the order of the first."""
        counted = self._grouped(names)
        for batch in counted.to_batches(ROWS_AT_ONCE):
            for row in batch.to_pylist():
                yield tuple(row[name] for name in names), row["count_all"]

    def distinct(self, *names: str) -> int:
        """How many different rows there are by these columns."""
        return len(self._grouped(names))

    def _grouped(self, names: Sequence[str]) -> pa.Table:
        # One thread, so that groups come in the order of their first rows.
        table = pa.table({name: self.column(name) for name in names})
        return table.group_by(list(names), use_threads=False).aggregate([([], "count_all")])

    def found_in(self, others: "ManifestRows", *names: str) -> np.ndarray:
        """For each row the number of the first of `others` with the same in these columns of texts, null as "", or -1.

        int64 (N,).
        """
        mine, theirs = (
            as_one_text(*(rows.column(name).fill_null("") for name in names)).combine_chunks()
            for rows in (self, others)
        )
        numbers: np.ndarray = pc.index_in(mine, value_set=theirs).fill_null(-1).to_numpy().astype(np.int64)
        return numbers

    def at(self, numbers: "np.ndarray | slice") -> "ManifestRows":
        """The rows with these numbers, in the order of the numbers."""
        return ManifestRows(self.table, self.places[numbers])

    def where(self, holds: "pa.ChunkedArray | np.ndarray") -> "ManifestRows":
        """The rows for which a column of truth values holds, one a row; null does not."""
        if not isinstance(holds, np.ndarray):
            holds = holds.fill_null(False).to_numpy()
        return ManifestRows(self.table, self.places[holds])

    def with_column(self, name: str, values: pa.Array) -> "ManifestRows":
        """The rows with one column more, a value for each."""
        places = np.full(len(self.table), -1)
        places[self.places] = np.arange(len(self))
        column = values.take(pa.array(places, mask=places < 0))
        return ManifestRows(self.table.append_column(name, column), self.places)

    def replaced(self, holds: pa.BooleanArray, **values: Any) -> "ManifestRows":
        """The rows with other values in some columns where `holds` is true: one, or an array that has one for each."""

        def columns() -> Iterator[tuple[str, pa.ChunkedArray]]:
            for name in self.table.column_names:
                column = self.column(name)
                if name in values:
                    new = values[name]
                    new = new if isinstance(new, pa.Array) else pa.scalar(new, column.type)
                    column = pa.chunked_array([pc.replace_with_mask(column.combine_chunks(), holds, new)])
                yield name, column

        return ManifestRows(dense(columns()))

    def having(self, name: str, *values: Any) -> "ManifestRows":
        """The rows whose column has one of these values."""
        return self.where(pc.is_in(self.column(name), value_set=pa.array(values)))

    def by(self, *names: str) -> Iterator[tuple[tuple[Any, ...], "ManifestRows"]]:
        """The rows by what they have in these columns, the values that come first first."""
        if not len(self):
            return
        groups = np.zeros(len(self), np.int64)
        for name in names:
            codes = self.column(name).combine_chunks().dictionary_encode("encode").indices.to_numpy()
            groups = np.unique(groups * (int(codes.max()) + 1) + codes, return_inverse=True)[1]
        order = np.argsort(groups, kind="stable")
        starts = np.flatnonzero(np.diff(groups[order], prepend=-1))
        pieces = sorted(np.split(order, starts[1:]), key=lambda piece: int(piece[0]))
        for piece in pieces:
            rows = ManifestRows(self.table, self.places[piece])
            first = rows.select(*names)[0]
            yield tuple(first[name] for name in names), rows


def as_one_text(*columns: Any) -> pa.ChunkedArray:
    """Columns of texts as one, in which rows are equal that are equal in all of them, whatever is null."""
    return pc.binary_join_element_wise(*columns, "\0", null_handling="replace", null_replacement="\1")


def dense(columns: Iterable[tuple[str, pa.ChunkedArray]]) -> pa.Table:
    """A table of one piece, whose rows are found fast wherever they are; the columns of SHARED have each value once.

    Args:
        columns: each with its name; they are taken one by one, so that one of them alone is in memory twice.
    """
    made = {}
    for name, column in columns:
        plain = name in SHARED and not pa.types.is_dictionary(column.type)
        made[name] = pa.table({name: column.dictionary_encode() if plain else column}).combine_chunks()[name]
    return pa.table(made)


def joined(tables: Iterable[pa.Table]) -> pa.Table:
    """Tables of the same columns, one or more, below each other as one piece; see `dense`."""
    columns: dict[str, tuple[pa.DataType, list[pa.Array]]] = {}
    for table in tables:
        for name in table.column_names:
            columns.setdefault(name, (table[name].type, []))[1].extend(table[name].chunks)

    def taken() -> Iterator[tuple[str, pa.ChunkedArray]]:
        for name in list(columns):
            kind, chunks = columns.pop(name)
            yield name, pa.chunked_array(chunks, kind)

    return dense(taken())
