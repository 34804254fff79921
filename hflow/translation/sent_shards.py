"""Finished shards of a dataset in an object store: each with a note of it until the manifest is sent."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from hflow.datasets.manifest import EXPORTED, ID2LABEL, MANIFEST, MANIFEST_COLUMNS, SUMS, read_manifest, read_sums
from hflow.datasets.manifest_rows import ManifestRows
from hflow.datasets.shards import TRANSLATED_SCHEMA, read_table
from hflow.foundation.errors import HflowError
from hflow.foundation.finished_work import Finished
from hflow.foundation.stores import Store
from hflow.translation.shard_task import ShardTask

__all__ = ["SentShards"]

NOTES = ".finished/"
"""In the store, a note by the fingerprint of each shard that has come whole; they are gone once nothing is left to do.
"""

BEGUN = f"{NOTES}begun"

_TOLD = pa.schema([TRANSLATED_SCHEMA.field(name) for name in MANIFEST_COLUMNS])


class SentShards:
    """The shards of a translated dataset in a store, of which the manifest's columns alone are kept here.

    Args:
        out: the folder that the dataset is to be, which nobody else writes.
        here: an empty folder.

    Raises:
        HflowError: the store can't be read.
    """

    def __init__(self, out: Store, here: Path):
        self._out, self._here = out, here
        self._there = out.sizes()
        self._noted = [name for name in self._there if name.startswith(NOTES)]
        self._passing = False
        here.mkdir(parents=True)

    def already(self, tasks: Sequence[ShardTask]) -> ManifestRows | None:
        """What the manifest tells of, where the dataset of just these shards is there and nothing is left to be done.

        Raises:
            HflowError: there is something else.
        """
        if not self._there or self._noted:
            return None
        if EXPORTED not in self._there and {MANIFEST, SUMS} <= self._there.keys():
            self._out.bring([MANIFEST, SUMS], self._here)
            rows = read_manifest(self._here / MANIFEST).rows
            if {*rows.occurring("fingerprint")} - {None} == {task.fingerprint for task in tasks}:
                return rows if read_sums(self._here).keys() <= self._there.keys() else None
        raise HflowError(f"{self._out} holds something else already: name a folder that is not there yet")

    def begin(self, tasks: Sequence[ShardTask]) -> None:
        """Begin, or go on with, a dataset of these shards; what was noted of others is forgotten."""
        wanted = {_note_of(task) for task in tasks}
        # Before any shard is replaced, so that no reader takes a mixture for the dataset.
        self._out.remove(name for name in (SUMS, MANIFEST) if name in self._there)
        self._out.remove(name for name in self._noted if name not in (BEGUN, *wanted))
        if BEGUN not in self._there:
            self._out.write(BEGUN, b"")

    def find(self, task: ShardTask) -> Finished | None:
        """The shard, where an earlier run has sent it and it is still as long as it was."""
        content = self._out.read(_note_of(task)) if _note_of(task) in self._there else None
        if content is None:
            return None
        said = json.loads(content)
        if said["size"] is not None and self._there.get(_name_of(task)) != said["size"]:
            return None
        return self._kept(task, said["sha256"], said["note"], pa.Table.from_pylist(said["rows"], schema=_TOLD))

    def keep(self, task: ShardTask, piece: Finished) -> Finished:
        """Send a finished shard, then the note of it; one with frames to be tried again by the next run gets none."""
        name, size = _name_of(task), None
        if piece.note["rows"]:
            place = self._here / name
            place.parent.mkdir(exist_ok=True)
            size = piece.path.stat().st_size
            piece.path.rename(place)
            self._out.send([name], self._here)
            piece = Finished(place, piece.sha256, piece.note)
        table = read_table(piece.path, MANIFEST_COLUMNS)
        if piece.note["passing"]:
            self._passing = True
        else:
            said = {"sha256": piece.sha256, "size": size, "note": dict(piece.note), "rows": table.to_pylist()}
            self._out.write(_note_of(task), json.dumps(said).encode())
        piece.path.unlink()
        return self._kept(task, piece.sha256, piece.note, table)

    def publish(self, files: Mapping[str, Path | bytes], out: Path) -> None:
        """Send what is not a shard, the manifest and SHA256SUMS last, and remove what else is there.

        Args:
            files: of the dataset, name to content, as `publish` takes them.
            out: a folder of this machine for them.
        """
        out.mkdir(parents=True, exist_ok=True)
        for name in (ID2LABEL, MANIFEST, SUMS):
            content = files[name]
            (out / name).write_bytes(content.read_bytes() if isinstance(content, Path) else content)
        self._out.remove(name for name in self._out.sizes() if name not in files and not name.startswith(NOTES))
        for name in (ID2LABEL, MANIFEST, SUMS):
            self._out.send([name], out)
        if not self._passing:
            self._out.remove(name for name in self._out.sizes() if name.startswith(NOTES))

    def _kept(self, task: ShardTask, sha256: str, note: Mapping[str, object], table: pa.Table) -> Finished:
        place = self._here / task.fingerprint
        pq.write_table(table, place)
        return Finished(place, sha256, note)


def _name_of(task: ShardTask) -> str:
    return f"{task.split}/{task.path.name}"


def _note_of(task: ShardTask) -> str:
    return f"{NOTES}{task.fingerprint}.json"
