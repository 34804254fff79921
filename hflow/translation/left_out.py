"""Frames that people reject, left out of finished shards: nothing is translated anew for a changed verdict."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from hflow.datasets.manifest import MANIFEST_COLUMNS
from hflow.datasets.shards import TRANSLATED_SCHEMA, read_rows, read_table, write_shard
from hflow.datasets.verdicts import Verdicts
from hflow.foundation.code_fingerprint import code_fingerprint
from hflow.foundation.finished_work import Finished, WorkFolder
from hflow.foundation.hashes import fingerprint
from hflow.translation.shard_task import ShardTask

__all__ = ["FOLDER", "without_rejected"]

FOLDER = "reviewed"
"""Of the shards that lack frames, in the folder for finished work."""


def without_rejected(
    task: ShardTask, piece: Finished, verdicts: Verdicts, said_by: Path, work: Path
) -> tuple[ShardTask, Finished]:
    """A finished shard without the frames that people reject; as it is where there are none.

    Args:
        task, piece: the shard, translated.
        verdicts: of people, about frames of any shard.
        said_by: the file that has them, for the reasons to name.
        work: the folder for finished work.

    Returns:
        The task with the fingerprint of the shorter shard, and that shard. Its note holds, as `reviewed`, the
        manifest's columns of each frame left out, with the reason.
    """
    rows = [row | {"split": task.split} for row in read_table(piece.path, MANIFEST_COLUMNS).to_pylist()]
    left_out = []
    for row in rows:
        verdict = verdicts.of(row)
        if verdict and verdict.rejects:
            reason = f"a person rejects it ({said_by})" + (f": {verdict.reason}" if verdict.reason else "")
            left_out.append(row | {"reason": reason})
    if not left_out:
        return task, piece
    keys = [row["key"] for row in left_out]
    mark = fingerprint([code_fingerprint(_shorten), piece.sha256, keys])
    shorter = WorkFolder(work / FOLDER).obtain(mark, lambda place: _shorten(piece.path, keys, place))
    note = {**piece.note, "rows": shorter.note["kept"], "reviewed": left_out}
    return replace(task, fingerprint=mark), replace(shorter, note=note)


def _shorten(path: Path, keys: Sequence[str], place: Path) -> Mapping[str, Any]:
    """Write a shard's rows but those of these keys."""
    gone = set(keys)

    def kept() -> Iterator[dict[str, Any]]:
        for row in read_rows(path):
            if row["key"] not in gone:
                yield row

    return {"kept": write_shard(place, kept(), TRANSLATED_SCHEMA)}
