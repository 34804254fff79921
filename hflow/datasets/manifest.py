"""The manifest of translated frames: a row for every frame that was given, and what became of it."""

import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from hflow.datasets.carried import CARRIED_SHA256
from hflow.datasets.shards import read_table, shard_files
from hflow.foundation.errors import HflowError

__all__ = [
    "CARD",
    "CROISSANT",
    "EXPORTED",
    "ID2LABEL",
    "MANIFEST",
    "MANIFEST_SCHEMA",
    "PSEUDO_LABELLED",
    "SUMS",
    "Manifest",
    "ManifestWriter",
    "id2label_bytes",
    "manifest_bytes",
    "read_manifest",
    "read_manifest_table",
    "sums_bytes",
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


ROWS_A_GROUP = 1 << 16


def manifest_bytes(rows: Iterable[Mapping[str, Any]], classes: Sequence[str] | None) -> bytes:
    """The manifest as a Parquet file with checksums, which holds the names of the train ids in its metadata."""
    buffer = io.BytesIO()
    with ManifestWriter(buffer, classes) as writer:
        iterator = iter(rows)
        while some := list(islice(iterator, ROWS_A_GROUP)):
            writer.write(some)
    return buffer.getvalue()


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
        table = pa.Table.from_pylist(list(rows), schema=self._schema)
        self._waiting.append(table)
        self._rows += len(table)
        while self._rows >= ROWS_A_GROUP:
            table = pa.concat_tables(self._waiting)
            self._writer.write_table(table[:ROWS_A_GROUP])
            self._waiting, self._rows = [table[ROWS_A_GROUP:]], self._rows - ROWS_A_GROUP

    def __enter__(self) -> "ManifestWriter":
        return self

    def __exit__(self, *error: object) -> None:
        if error[0] is None and self._rows:
            self._writer.write_table(pa.concat_tables(self._waiting))
        self._writer.close()


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
    rows: list[dict[str, Any]]
    classes: list[str] | None

    @property
    def translated(self) -> list[dict[str, Any]]:
        """The rows of the frames that were translated."""
        return [row for row in self.rows if row["status"] == "translated"]

    @property
    def frames(self) -> list[dict[str, Any]]:
        """The rows of the images that it holds: frames that were translated, or pseudo-labelled photographs."""
        return [row for row in self.rows if row["status"] in ("translated", PSEUDO_LABELLED)]

    @property
    def rejected(self) -> list[dict[str, Any]]:
        """The rows of the frames that were rejected, here or by prepare."""
        return [row for row in self.rows if row["status"] == "rejected"]

    def made_by(self, model_sha256: str) -> bool:
        """Whether it has translated frames, all of them by the model of this hash."""
        return {row["model_sha256"] for row in self.translated} == {model_sha256}

    def check_made_by(self, model_sha256: str, model: Path) -> None:
        """See that this model, and no other, has translated the frames.

        Args:
            model_sha256: the hash of its weights and styles.
            model: its folder, for the error to name.

        Raises:
            HflowError: it has not.
        """
        if not self.made_by(model_sha256):
            raise HflowError(f"{self.path.parent} was not made by the model in {model}: run `hflow translate` again")

    def check_frames(self, prepared: Path) -> None:
        """See that its frames are those in the folder that prepare wrote, known by the hashes of their raw files.

        Raises:
            HflowError: they are not.
        """
        given: dict[tuple[str, str], str] = {}
        for split in ("train", "val"):
            for path in shard_files(prepared / "source" / split):
                table = read_table(path, ["key", "source_sha256"])
                given |= {(split, key): digest for key, digest in zip(*table.to_pydict().values(), strict=True)}
        made = {(row["split"], row["key"]): row["source_sha256"] for row in self.translated}
        rejected = {(row["split"], row["key"]) for row in self.rejected}
        if not (made.items() <= given.items() and given.keys() <= made.keys() | rejected):
            raise HflowError(
                f"{self.path.parent} was made of other frames than there are in {prepared / 'source'}: "
                "run `hflow translate` again"
            )


def read_manifest(path: Path, *, fill: bool = False) -> Manifest:
    """Read a manifest, its checksums too.

    Args:
        path: of the file.
        fill: take a column that is missing, as in a manifest of an earlier version, for one of None.

    Raises:
        HflowError: it is missing or damaged, or lacks columns; with `fill`, it lacks the key or the status.
    """
    table = read_manifest_table(path, fill=fill)
    try:
        classes = json.loads((table.schema.metadata or {}).get(b"hflow", b"{}")).get("classes")
    except (ValueError, AttributeError) as error:
        raise HflowError(f"{path} has metadata that is not JSON ({error}): translate again") from None
    return Manifest(path, table.to_pylist(), classes)


def read_manifest_table(path: Path, *, fill: bool = False) -> pa.Table:
    """The columns of MANIFEST_SCHEMA of a manifest, a tenth of the memory of its rows; arguments and errors as of
    `read_manifest`."""
    if not path.is_file():
        raise HflowError(f"{path} is missing: {path.parent} is not a dataset that hflow translated")
    table = read_table(path)
    missing = [name for name in MANIFEST_SCHEMA.names if name not in table.column_names]
    if missing and not (fill and {"key", "status"} <= {*table.column_names}):
        raise HflowError(f"{path} has no column {missing[0]!r}: translate again")
    for name in missing:
        table = table.append_column(MANIFEST_SCHEMA.field(name), pa.nulls(len(table), MANIFEST_SCHEMA.field(name).type))
    return table.select(MANIFEST_SCHEMA.names)


def sums_bytes(known: Mapping[str, str], files: Mapping[str, Path | bytes]) -> bytes:
    """SHA256SUMS of files: their hashes where they are known already, else of the bytes given."""
    sums = {name: known.get(name) or sha256(bytes(content)).hexdigest() for name, content in files.items()}
    return "".join(f"{digest}  {name}\n" for name, digest in sorted(sums.items())).encode()
