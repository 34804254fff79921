"""Shards: Parquet files of samples whose images `datasets.load_dataset("parquet", ...)` shows as images.

The image columns are structs {bytes, path}, and the schema's metadata names them as images, the way the Hugging Face
datasets library stores features.
"""

import bisect
import contextlib
import itertools
import json
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from hflow.datasets.carried import CARRIED, CARRIED_SHA256
from hflow.datasets.shard_records import recorded
from hflow.foundation.errors import HflowError

__all__ = [
    "PREPARED_SCHEMA",
    "SHARDS",
    "TRANSLATED_SCHEMA",
    "ShardSet",
    "count_rows",
    "image_value",
    "open_table",
    "read_rows",
    "read_table",
    "shard_files",
    "shard_schema",
    "write_shard",
]

SHARDS = "shard-*.parquet"
"""The names by which readers know shards, those of other tools too."""

_IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
_ROWS_A_GROUP = 16
_BYTES_A_GROUP = 1 << 20
_ROWS_TOGETHER = 256
_SHARDS_OPEN = 64
_LARGEST_GROUP = 1 << 30


def shard_schema(columns: Mapping[str, pa.DataType | str]) -> pa.Schema:
    """A Parquet schema with the features' metadata; "image" as a type stands for an image column."""
    fields = [pa.field(name, _IMAGE if kind == "image" else kind) for name, kind in columns.items()]
    features = {
        name: {"_type": "Image"} if kind == "image" else _feature(pa.field(name, kind).type)
        for name, kind in columns.items()
    }
    return pa.schema(fields, metadata={"huggingface": json.dumps({"info": {"features": features}})})


def _feature(kind: pa.DataType) -> Any:
    if pa.types.is_list(kind):
        return [_feature(kind.value_type)]
    if pa.types.is_struct(kind):
        return {field.name: _feature(field.type) for field in kind}
    return {"dtype": str(kind), "_type": "Value"}


_PREPARED: Mapping[str, pa.DataType | str] = {
    "key": pa.string(),
    "image": "image",
    "truth": "image",
    "label": "image",
    "label_train_ids": "image",
    "width": pa.int32(),
    "height": pa.int32(),
    "source_path": pa.string(),
    "source_sha256": pa.string(),
    "carried": CARRIED,
}

PREPARED_SCHEMA = shard_schema(_PREPARED)
"""Columns of a prepared shard. `truth` is what the image is to become, `label` holds raw ids, `source_path` is relative
to the raw dataset's root, `carried` has the files that are handed on with the frame."""

TRANSLATED_SCHEMA = shard_schema(
    {
        **_PREPARED,
        "style": pa.string(),
        "image_sha256": pa.string(),
        "truth_sha256": pa.string(),
        "label_sha256": pa.string(),
        "label_train_ids_sha256": pa.string(),
        "carried_sha256": CARRIED_SHA256,
        "ssim": pa.float32(),
        "consistency": pa.float32(),
        "batch": pa.int32(),
    }
)
"""A prepared shard's columns, the style's key, hashes of the encoded image, truth and labels and of what is carried,
the SSIM to the source, the judge's consistency (null without a judge), and the batch the frame was in if it had to be
halved (else null)."""


def image_value(content: bytes | None, name: str) -> dict[str, Any] | None:
    """The value of an image column: encoded bytes and the file name they would have; None for no image."""
    return None if content is None else {"bytes": content, "path": name}


def shard_files(folder: Path) -> list[Path]:
    """The shards in a folder, sorted by name; none where there is no such folder."""
    return sorted(folder.glob(SHARDS))


def write_shard(path: Path, rows: Iterable[Mapping[str, Any]], schema: pa.Schema) -> int:
    """Write rows to a Parquet file as they come, in small row groups that can be read one by one; gives their number.

    Images are compressed as it is. Pages have checksums, by which damage shows to whoever reads them.
    """
    count = 0
    options = {"compression": "none", "use_dictionary": False, "write_statistics": False, "write_page_checksum": True}
    with pq.ParquetWriter(path, schema, **options) as writer:
        for group in _groups(rows):
            writer.write_table(pa.Table.from_pylist(group, schema=schema))
            count += len(group)
    return count


def _groups(rows: Iterable[Mapping[str, Any]]) -> Iterator[list[Mapping[str, Any]]]:
    """Rows as groups that are read at once: few rows, of at most 1 MiB together but for a larger one by itself."""
    group: list[Mapping[str, Any]] = []
    total = 0
    for row in rows:
        images = [value for value in row.values() if isinstance(value, Mapping)]
        size = sum(len(file["bytes"] or b"") for file in (*images, *(row.get("carried") or ())))
        if group and (len(group) == _ROWS_A_GROUP or total + size > _BYTES_A_GROUP):
            yield group
            group, total = [], 0
        group.append(row)
        total += size
    if group:
        yield group


def count_rows(path: Path, schema: pa.Schema) -> int:
    """The number of rows of a shard that has at least the columns of a schema.

    Raises:
        HflowError: the file is missing, is no whole Parquet file, or lacks a column or has it of another type.
    """
    with _open(path) as file:
        for field in schema:
            found = file.schema_arrow.get_field_index(field.name)
            if found < 0 or file.schema_arrow.field(found).type != field.type:
                raise HflowError(
                    f"{path} has no column {field.name!r} of {field.type}: it is not a shard of this stage and of this "
                    "version: run the stage that writes it"
                )
        return int(file.metadata.num_rows)


def read_table(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """A shard, or some columns of it.

    Raises:
        HflowError: the file is missing, is no whole Parquet file, or lacks a column.
    """
    with open_table(path) as (schema, _, read):
        missing = set(columns or ()) - set(schema.names)
        if missing:
            raise HflowError(f"{path} has no column {sorted(missing)[0]!r}: it is not a shard of this stage")
        return read(columns)


@contextlib.contextmanager
def open_table(path: Path) -> Iterator[tuple[pa.Schema, int, Callable[[Sequence[str] | None], pa.Table]]]:
    """The schema and the number of rows of a Parquet file, and what reads some of its columns, or all.

    Raises:
        HflowError: the file is missing or is no whole Parquet file, there or when it is read.
    """
    with _open(path) as file:

        def read(columns: Sequence[str] | None) -> pa.Table:
            with _damage_named(path):
                table = file.read(columns=None if columns is None else list(columns))
                table.validate(full=True)  # reading doesn't ask whether texts are UTF-8
                return table

        yield file.schema_arrow, file.metadata.num_rows, read


def read_rows(path: Path, columns: Sequence[str] | None = None) -> Iterator[dict[str, Any]]:
    """The rows of a shard as dictionaries, in order, some MiB of them in memory at a time.

    Raises:
        HflowError: as read_table.
    """
    with _open(path) as file:
        size = sum(file.metadata.row_group(i).total_byte_size for i in range(file.num_row_groups))
        together = min(max(_BYTES_A_GROUP * file.metadata.num_rows // max(size, 1), 1), _ROWS_TOGETHER)
        # One thread, since handing a column of so few rows to another takes longer than reading it.
        batches = file.iter_batches(together, columns=None if columns is None else list(columns), use_threads=False)
        while True:
            with _damage_named(path):
                batch = next(batches, None)
                rows = None if batch is None else batch.to_pylist()
            if rows is None:
                return
            del batch
            yield from rows


class ShardSet(Sequence[dict[str, Any]]):
    """Random access to the rows of several shards.

    A row costs reading its row group, 1 MiB at most or the row alone, and the footer of its shard where that is not
    among the last ones read. What was noted of shards when they were written saves opening them all first.
    """

    def __init__(self, files: Sequence[Path], columns: Sequence[str] | None = None):
        self.files = list(files)
        self.columns = None if columns is None else list(columns)
        self._ends = list(itertools.accumulate(_row_counts(self.files)))  # rows up to and with each shard
        self._close()

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        if not 0 <= index < len(self):
            raise IndexError(index)
        number = bisect.bisect_right(self._ends, index)
        path, row = self.files[number], index - (self._ends[number - 1] if number else 0)
        with self._turn, _damage_named(path):
            file, ends = self._shard(number)
            group = bisect.bisect_right(ends, row)
            if group == len(ends):
                raise HflowError(f"{path} has fewer rows than when it was written: run the stage that writes it")
            rows = file.read_row_group(group, columns=self.columns)
            return rows.slice(row - (ends[group - 1] if group else 0), 1).to_pylist()[0]

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name not in ("_opened", "_turn")}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        self.__dict__.update(state)
        self._close()

    def _close(self) -> None:
        self._opened: OrderedDict[int, tuple[pq.ParquetFile, list[int]]] = OrderedDict()
        self._turn = threading.Lock()  # a file is read by one thread at a time

    def _shard(self, number: int) -> tuple[pq.ParquetFile, list[int]]:
        """A shard, opened, and its rows up to and with each row group."""
        if number not in self._opened:
            file = _open(self.files[number])
            groups = range(file.num_row_groups)
            ends = list(itertools.accumulate(file.metadata.row_group(group).num_rows for group in groups))
            self._opened[number] = file, ends
            if len(self._opened) > _SHARDS_OPEN:
                self._opened.popitem(last=False)[1][0].close()
        self._opened.move_to_end(number)
        return self._opened[number]


def _row_counts(files: Sequence[Path]) -> list[int]:
    known = recorded(files)

    def count(path: Path) -> int:
        if path in known:
            return known[path].rows
        with _open(path) as file:
            return int(file.metadata.num_rows)

    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(count, files))


def _open(path: Path) -> pq.ParquetFile:
    try:
        with _damage_named(path):
            # Not mapped into memory: a file that is cut short while it is read would end the process.
            file = pq.ParquetFile(path, page_checksum_verification=True)
    except FileNotFoundError:
        raise HflowError(f"{path} is missing: run the stage that writes it") from None
    claimed = max((file.metadata.row_group(i).total_byte_size for i in range(file.num_row_groups)), default=0)
    if claimed > max(_LARGEST_GROUP, 4 * path.stat().st_size):
        file.close()
        raise HflowError(f"{path} would unpack {claimed} bytes from {path.stat().st_size}: it is not a shard of hflow")
    return file


@contextlib.contextmanager
def _damage_named(path: Path) -> Iterator[None]:
    """An error of reading is raised as it is; whatever else a reader says is the file's fault, and names it."""
    try:
        yield
    except (pa.ArrowException, OSError, ValueError, MemoryError) as error:
        if isinstance(error, OSError) and error.errno:
            raise
        said = " ".join(str(error).split())[:200]
        raise HflowError(f"{path} is not a whole Parquet file ({said}): make it again") from None
