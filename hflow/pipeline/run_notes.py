"""Which kept pieces of work each run has used, noted in .hflow/runs: what `hflow clean` goes by."""

import contextlib
import json
import secrets
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from hflow.foundation.atomic_files import write_json
from hflow.foundation.locks import exclusive, is_held
from hflow.pipeline.outputs import work_folder

__all__ = ["Piece", "RunNote", "alone_with_notes", "noted_run", "pieces", "run_notes"]

RUNS = "runs"
PATIENCE = 600.0
"""Seconds that a run waits for a cleaning to end."""


@dataclass(frozen=True)
class Piece:
    """A kept piece of work: a file with its marker, or a folder.

    Attributes:
        name: below its work folder.
        path: the file or folder itself.
        files: all files of it.
        used: when it was last made or found, in nanoseconds by the clock of its file system.
    """

    name: str
    path: Path
    files: tuple[Path, ...]
    used: int


@dataclass(frozen=True)
class RunNote:
    """What is noted about a run.

    Attributes:
        path: the note.
        name: what ran, such as `segment translated`.
        used: the names of the pieces that it used, by work folder; of one that has not finished, those that were used
            since it began.
        finished, running: whether it has finished; whether it is running now. One that is neither was interrupted.
    """

    path: Path
    name: str
    used: Mapping[str, frozenset[str]]
    finished: bool
    running: bool


@contextlib.contextmanager
def noted_run(name: str, *folders: str) -> Iterator[None]:
    """Note of a run which pieces of work it uses, once it has finished; until then that it began.

    Args:
        name: what runs; a later run of the same name takes its place.
        folders: the stages in whose work folders it keeps pieces.
    """
    place = work_folder(RUNS) / name / f"{time.time_ns()}-{secrets.token_hex(4)}.json"
    with contextlib.ExitStack() as held:
        with alone_with_notes():
            held.enter_context(exclusive(place))
            write_json(place, {"folders": folders, "used": None})
        yield
        began = place.stat().st_mtime_ns
        used = {folder: sorted(_used_since(folder, began)) for folder in folders}
        write_json(place, {"folders": folders, "used": used})


@contextlib.contextmanager
def alone_with_notes() -> Iterator[None]:
    """Have no run begin, and no pieces removed, until this has ended.

    Raises:
        HflowError: another process doesn't let go of them.
    """
    with exclusive(work_folder(RUNS), patience=PATIENCE):
        yield


def run_notes() -> list[RunNote]:
    """The notes of all runs, those that began last first."""
    notes = []
    for path in sorted(work_folder(RUNS).glob("*/*.json"), key=lambda path: path.name, reverse=True):
        said = json.loads(path.read_text(encoding="utf-8"))
        finished = said["used"] is not None
        used = said["used"] if finished else {f: _used_since(f, path.stat().st_mtime_ns) for f in said["folders"]}
        found = {folder: frozenset(names) for folder, names in used.items()}
        notes.append(RunNote(path, path.parent.name, found, finished, not finished and is_held(path)))
    return notes


def pieces(folder: str) -> list[Piece]:
    """The pieces in the work folder of a stage, by name; what is being written now is none yet."""
    work = work_folder(folder)
    seen = [path for path in sorted(work.glob("*")) if not path.name.startswith(".")]
    # Copies of models, and shards without the frames that people reject, lie one folder deeper.
    deeper = ("models", "reviewed")
    paths = [path for top in seen for path in (sorted(top.glob("*")) if top.name in deeper else [top])]
    found = []
    for path in paths:
        if path.suffix == ".json" and path.with_suffix("").is_file():
            continue
        marker = path.with_name(f"{path.name}.json")
        noted = marker if marker.is_file() else path
        files = tuple(sorted(path.rglob("*"))) if path.is_dir() else (path,) if noted is path else (path, marker)
        name = path.relative_to(work).as_posix()
        found.append(Piece(name, path, tuple(f for f in files if f.is_file()), noted.stat().st_mtime_ns))
    return found


def _used_since(folder: str, began: int) -> set[str]:
    return {piece.name for piece in pieces(folder) if piece.used >= began}
