"""The manifest of translated frames: a row for every frame that was given, and what became of it."""

import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from hflow.datasets.carried import CARRIED_SHA256
from hflow.datasets.manifest_rows import SHARED, ManifestRows, as_one_text, dense
from hflow.datasets.shards import TRANSLATED_SCHEMA, open_table, read_table, shard_files
from hflow.foundation.atomic_files import flush, temporary_sibling
from hflow.foundation.errors import HflowError

__all__ = [
    "CARD",
    "CROISSANT",
    "EXPORTED",
    "ID2LABEL",
    "MANIFEST",
    "MANIFEST_COLUMNS",
    "MANIFEST_SCHEMA",
    "PSEUDO_LABELLED",
    "ROWS_A_GROUP",
    "SUMS",
    "Manifest",
    "ManifestWriter",
    "id2label_bytes",
    "manifest_file",
    "read_manifest",
    "read_sums",
    "sums_bytes",
    "told",
]

MANIFEST = "manifest.parquet"
SUMS = "SHA256SUMS"
"""The hash of every other file of a dataset, as `sha256sum --check` reads it."""

ID2LABEL = "id2label.json"
"""The name of each train id, as `transformers` and datasets for semantic segmentation on the hub have it."""

CARD = "README.md"
"""What people are told of a dataset that is handed on."""

CROISSANT = "croissant.json"
"""What programs are told of a dataset that is handed on, in Croissant 1.1."""

EXPORTED = "export.json"
"""What an export says of itself; where it is, the files are those of another tool's layout."""

PSEUDO_LABELLED = "pseudo-labelled"
"""The status of a photograph whose label is a guess of segmenters."""

MANIFEST_SCHEMA = pa.schema(
    [
        ("key", pa.string()),
        ("split", pa.string()),
        ("shard", pa.string()),
        ("status", pa.string()),
        ("reason", pa.string()),
        ("source_path", pa.string()),
        ("source_sha256", pa.string()),
        ("style", pa.string()),
        ("image_path", pa.string()),
        ("label_path", pa.string()),
        ("image_sha256", pa.string()),
        ("truth_sha256", pa.string()),
        ("label_sha256", pa.string()),
        ("label_train_ids_sha256", pa.string()),
        ("carried_sha256", CARRIED_SHA256),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("ssim", pa.float32()),
        ("consistency", pa.float32()),
        ("batch", pa.int32()),
        ("model", pa.string()),
        ("model_sha256", pa.string()),
        ("precision", pa.string()),
        ("backend", pa.string()),
        ("params_fingerprint", pa.string()),
        ("code_fingerprint", pa.string()),
        ("fingerprint", pa.string()),
        ("seed", pa.int32()),
    ]
)
"""Columns of manifest.parquet.

`status` is translated, rejected or pseudo-labelled, `reason` says why; `image_path` and `label_path` are those of files
of their own, null of what is in a shard; `source_sha256` is of the file as it was given, the other hashes are of the
encoded image, truth and labels as written, and of each file carried with them; `batch` is how many frames were
translated at once where memory was too small for the batch asked for; `precision` and `backend`
say what `translate.precision: auto` chose; `consistency` is null without a judge; `fingerprint` is of all that the
shard's bytes depend on.
"""


MANIFEST_COLUMNS = [name for name in MANIFEST_SCHEMA.names if name in TRANSLATED_SCHEMA.names]
"""Those that a shard of TRANSLATED_SCHEMA has itself."""

ROWS_A_GROUP = 1 << 16
"""So many rows of a manifest are written at once."""


def told(table: pa.Table, same: Mapping[str, Any]) -> pa.Table:
    """A table with the columns of MANIFEST_SCHEMA, for `joined`: what is `same` for all rows, else its own, or null."""
    columns = {}
    for field in MANIFEST_SCHEMA:
        if field.name in table.column_names and field.name not in same:
            column = table[field.name].cast(field.type)
        else:
            column = pa.chunked_array([pa.repeat(pa.scalar(same.get(field.name), field.type), len(table))])
        columns[field.name] = column.dictionary_encode() if field.name in SHARED else column
    return pa.table(columns)


class ManifestWriter:
    """Writes a manifest some rows at a time, in little memory; the bytes don't depend on how many at a time.

    Args:
        place: of the file, or what takes its bytes.
        classes: the names of the train ids; None where there are none.
    """

    def __init__(self, place: Path | io.BytesIO, classes: Sequence[str] | None):
        metadata = {} if classes is None else {"hflow": json.dumps({"classes": list(classes)})}
        self._schema = MANIFEST_SCHEMA.with_metadata(metadata)
        self._writer = pq.ParquetWriter(place, self._schema, write_page_checksum=True)
        self._waiting: list[pa.Table] = []
        self._rows = 0

    def write(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Rows with columns of MANIFEST_SCHEMA; one that is missing is null."""
        self.write_table(pa.Table.from_pylist(list(rows), schema=self._schema))

    def write_table(self, table: pa.Table) -> None:
        """The same of a table that has all columns of MANIFEST_SCHEMA."""
        self._waiting.append(table.cast(self._schema))
        self._rows += len(table)
        while self._rows >= ROWS_A_GROUP:
            table = pa.concat_tables(self._waiting).combine_chunks()
            self._writer.write_table(table[:ROWS_A_GROUP])
            self._waiting, self._rows = [table[ROWS_A_GROUP:]], self._rows - ROWS_A_GROUP

    def write_all(self, rows: ManifestRows) -> None:
        """All of some rows."""
        for table in rows.tables(ROWS_A_GROUP):
            self.write_table(table)

    def __enter__(self) -> "ManifestWriter":
        return self

    def __exit__(self, *error: object) -> None:
        if error[0] is None and self._rows:
            self._writer.write_table(pa.concat_tables(self._waiting).combine_chunks())
        self._writer.close()


@contextmanager
def manifest_file(place: Path, tables: Iterable[pa.Table], classes: Sequence[str] | None) -> Iterator[Path]:
    """A manifest for `publish` to link or copy: a file beside `place`, under another name, and gone afterwards.

    Args:
        tables: its rows in order, with all columns of MANIFEST_SCHEMA; they are written as they come.
        classes: the names of the train ids; None where there are none.
    """
    temporary = temporary_sibling(place.resolve())
    temporary.parent.mkdir(parents=True, exist_ok=True)
    try:
        with ManifestWriter(temporary, classes) as manifest:
            for table in tables:
                manifest.write_table(table)
        flush(temporary)
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


def id2label_bytes(classes: Sequence[str]) -> bytes:
    """id2label.json of these classes: the train id, as JSON's text, and its name."""
    return (json.dumps({str(i): name for i, name in enumerate(classes)}, indent=2) + "\n").encode()


@dataclass(frozen=True)
class Manifest:
    """A manifest as it was read.

    Attributes:
        path: of its file.
        rows: a row for every frame given, with all columns of MANIFEST_SCHEMA.
        classes: the names of the train ids; None where it has none.
    """

    path: Path
    rows: ManifestRows
    classes: list[str] | None

    @cached_property
    def translated(self) -> ManifestRows:
        """The rows of the frames that were translated."""
        return self.rows.having("status", "translated")

    @cached_property
    def frames(self) -> ManifestRows:
        """The rows of the images that it holds: frames that were translated, or pseudo-labelled images."""
        return self.rows.having("status", "translated", PSEUDO_LABELLED)

    @cached_property
    def rejected(self) -> ManifestRows:
        """The rows of the frames that were rejected, here or by prepare."""
        return self.rows.having("status", "rejected")

    def made_by(self, model_sha256: str) -> bool:
        """Whether it has translated frames, all of them by the model of this hash."""
        return self.translated.occurring("model_sha256") == [model_sha256]

    def check_made_by(self, model_sha256: str, model: Path) -> None:
        """See that this model, and no other, has translated the frames.

        Args:
            model_sha256: its hash.
            model: its folder, for the error to name.

        Raises:
            HflowError: it has not.
        """
        if not self.made_by(model_sha256):
            raise HflowError(f"{self.path.parent} was not made by the model in {model}: run `hflow translate` again")

    def check_frames(self, prepared: Path) -> None:
        """See that its frames are those in the folder that prepare wrote, by the hashes of their raw files and by size.

        Raises:
            HflowError: they are not.
        """
        tables = [
            (split, read_table(path, ["key", "source_sha256", "width", "height"]))
            for split in ("train", "val")
            for path in shard_files(prepared / "source" / split)
        ]
        given = _end_to_end((as_one_text(pa.scalar(split), table["key"]) for split, table in tables), pa.string())
        hashes = _end_to_end((table["source_sha256"].fill_null("") for _, table in tables), pa.string())
        made, rejected = (
            as_one_text(rows.column("split"), rows.column("key")) for rows in (self.translated, self.rejected)
        )
        found = pc.index_in(made, value_set=given).combine_chunks()
        same = pc.equal(hashes.take(found), self.translated.column("source_sha256").fill_null("").combine_chunks())
        sizes = [
            pc.equal(
                _end_to_end((table[side] for _, table in tables), pa.int32()).take(found), self.translated.column(side)
            )
            for side in ("width", "height")
        ]
        known = pc.is_in(given, value_set=pa.chunked_array([*made.chunks, *rejected.chunks], pa.string()))
        if not all(pc.all(holds, min_count=0).as_py() for holds in (found.is_valid(), same, *sizes, known)):
            raise HflowError(
                f"{self.path.parent} was made of other frames, or at another size, than there are in "
                f"{prepared / 'source'}: run `hflow translate` again"
            )


def read_manifest(path: Path, *, fill: bool = False, columns: Sequence[str] = tuple(MANIFEST_SCHEMA.names)) -> Manifest:
    """Read a manifest, its checksums too.

    Args:
        path: of the file.
        fill: take a column that is missing, as in a manifest of an earlier version, for one of None.
        columns: those that the rows are given with; hashes take the most memory.

    Raises:
        HflowError: it is missing or damaged, or lacks columns; with `fill`, it lacks the key or the status.
    """
    with _columns(path, fill) as (metadata, every):
        try:
            classes = json.loads((metadata or {}).get(b"hflow", b"{}")).get("classes")
        except (ValueError, AttributeError) as error:
            raise HflowError(f"{path} has metadata that is not JSON ({error}): translate again") from None
        return Manifest(path, ManifestRows(dense(every(columns))), classes)


@contextmanager
def _columns(
    path: Path, fill: bool
) -> Iterator[tuple[Mapping[bytes, bytes] | None, Callable[[Sequence[str]], Iterator[tuple[str, pa.ChunkedArray]]]]]:
    """The metadata of a manifest, and what gives some of its columns, each read when it is asked for."""
    if not path.is_file():
        raise HflowError(f"{path} is missing: {path.parent} is not a dataset that hflow translated")
    with open_table(path) as (schema, rows, read):
        missing = [name for name in MANIFEST_SCHEMA.names if name not in schema.names]
        if missing and not (fill and {"key", "status"} <= {*schema.names}):
            raise HflowError(f"{path} has no column {missing[0]!r}: translate again")

        def given(names: Sequence[str]) -> Iterator[tuple[str, pa.ChunkedArray]]:
            for name in names:
                if name in missing:
                    yield name, pa.chunked_array([pa.nulls(rows, MANIFEST_SCHEMA.field(name).type)])
                else:
                    yield name, read([name])[name]

        yield schema.metadata, given


def _end_to_end(columns: Iterable[pa.ChunkedArray], kind: pa.DataType) -> pa.Array:
    return pa.chunked_array([chunk for column in columns for chunk in column.chunks], kind).combine_chunks()


def read_sums(folder: Path) -> dict[str, str]:
    """The hash of each file by name, of the SHA256SUMS of a folder."""
    lines = (folder / SUMS).read_text(encoding="utf-8").removesuffix("\n").split("\n")
    return {name: digest for digest, _, name in (line.partition("  ") for line in lines)}


def sums_bytes(known: Mapping[str, str], files: Mapping[str, Path | bytes]) -> bytes:
    """SHA256SUMS of files: their hashes where they are known already, else of the bytes given."""
    sums = {name: known.get(name) or sha256(bytes(content)).hexdigest() for name, content in files.items()}
    return "".join(f"{digest}  {name}\n" for name, digest in sorted(sums.items())).encode()
