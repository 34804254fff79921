"""Removing kept pieces of work that no run of late has used."""

import re
import shutil
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, groupby
from pathlib import Path

from hflow.foundation.atomic_files import writable
from hflow.foundation.locks import is_held
from hflow.pipeline.outputs import work_folder
from hflow.pipeline.run_notes import Piece, RunNote, alone_with_notes, pieces, run_notes

__all__ = ["MODELS", "VIEW", "WORK", "Cleaned", "clean"]

WORK = ("prepare", "first_round", "train", "translate", "baselines", "segment", "label", "evaluate")
"""The stages and commands that keep pieces of work. Whatever else lies in .hflow is kept."""

MODELS = "models"
"""The folder of registered models that were fetched, by name and version."""

VIEW = "view"
"""The folder of what FiftyOne's app shows, which is of use while the app is open."""

LEFTOVER = re.compile(r"\..+\.[0-9a-f]{8}\.tmp|\..+\.lock")
"""What a killed process leaves: half a file, a lock that nobody holds."""


@dataclass(frozen=True)
class Cleaned:
    """What of a folder in .hflow stays, and what goes.

    Attributes:
        folder: its name.
        kept, gone: the pieces.
        kept_bytes, gone_bytes: of their files.
        freed: what the disk gets back: the bytes of what has no other hard link, as in the project's data.
        why: the reason why all is kept; empty where it is not.
    """

    folder: str
    kept: tuple[Piece, ...]
    gone: tuple[Piece, ...]
    kept_bytes: int
    gone_bytes: int
    freed: int
    why: str = ""


def clean(keep: int = 1, *, remove: bool = False) -> list[Cleaned]:
    """Find, and remove, the pieces of work that none of the last runs has used.

    Kept are the pieces of the last finished runs of each stage, of each training set for segment, and of a run that was
    stopped since. Where a run is working, and where none is noted yet, all is kept.

    Args:
        keep: of how many finished runs that differ in what they used.
        remove: remove what goes; else nothing is changed.

    Returns:
        What stays and what goes, by folder, those that are empty or missing left out.

    Raises:
        HflowError: the work folder can't be written, or another process doesn't let go of it.
    """
    if not work_folder("").is_dir():
        return []
    with alone_with_notes(), writable(work_folder("")):
        notes = run_notes()
        counting = _current(notes, keep)
        working = {folder for note in notes if note.running for folder in note.used}
        found = [_cleaned(folder, counting, in_use=folder in working or _locked(folder)) for folder in WORK]
        found += [_fetched_models(keep), _view()]
        if remove:
            for one in found:
                _remove(one)
            for note in notes:
                if note not in counting:
                    note.path.unlink()
                    note.path.with_name(f".{note.path.name}.lock").unlink(missing_ok=True)
    return [one for one in found if one.kept or one.gone]


def _current(notes: Sequence[RunNote], keep: int) -> list[RunNote]:
    """The notes that count: what runs, the last finished runs of each name, and what was interrupted after them."""
    counting = []
    for _, runs in groupby(sorted(notes, key=lambda note: note.name), lambda note: note.name):
        finished: list[RunNote] = []
        for note in runs:  # a stable sort leaves the newest first
            if note.finished and note.used not in [other.used for other in finished]:
                finished.append(note)
            counts = note in finished[:keep] if note.finished else note.running or not finished
            if counts:
                counting.append(note)
    return counting


def _cleaned(folder: str, notes: Sequence[RunNote], *, in_use: bool) -> Cleaned:
    found = pieces(folder)
    why = ""
    if in_use:
        why = "a run is working"
    elif not any(note.finished and folder in note.used for note in notes):
        why = "no finished run is noted yet"
    used = {name for note in notes for name in note.used.get(folder, ())}
    one = _sorted(folder, found, {piece.name for piece in found} if why else used, why)
    if in_use:
        return one
    left = list(_leftovers(folder, {piece.path for piece in one.gone}))
    return _sorted(folder, [*found, *left], {piece.name for piece in one.kept}, why)


def _leftovers(folder: str, gone: Container[Path]) -> Iterator[Piece]:
    work = work_folder(folder)
    for path in (*work.glob(".*"), *work.glob("*/.*")):
        if LEFTOVER.fullmatch(path.name) and path.parent not in gone:
            yield Piece(path.relative_to(work).as_posix(), path, _files(path), 0)


def _files(path: Path) -> tuple[Path, ...]:
    return tuple(file for file in sorted(path.rglob("*")) if file.is_file()) if path.is_dir() else (path,)


def _fetched_models(keep: int) -> Cleaned:
    """Of each registered model the versions that were asked for last are kept."""
    versions = sorted(_versions(), key=lambda piece: (piece.path.parent, -piece.used))
    by_model = groupby(versions, lambda piece: piece.path.parent)
    kept = {piece.name for _, newest_first in by_model for piece in list(newest_first)[:keep]}
    return _sorted(MODELS, versions, kept)


def _view() -> Cleaned:
    found = pieces(VIEW)
    if _locked(VIEW):
        return _sorted(VIEW, found, {piece.name for piece in found}, "FiftyOne shows it")
    return _sorted(VIEW, [*found, *_leftovers(VIEW, ())], set())


def _versions() -> Iterator[Piece]:
    for path in sorted(work_folder(MODELS).glob("*/*")):
        if path.is_dir() and not path.name.startswith("."):
            yield Piece(f"{path.parent.name}/{path.name}", path, _files(path), path.stat().st_mtime_ns)


def _sorted(folder: str, found: Iterable[Piece], kept_names: set[str], why: str = "") -> Cleaned:
    ordered = sorted(found, key=lambda piece: piece.name)
    kept = tuple(piece for piece in ordered if piece.name in kept_names)
    gone = tuple(piece for piece in ordered if piece.name not in kept_names)
    freed, gone_bytes = _bytes(gone)
    return Cleaned(folder, kept, gone, _bytes(kept)[1], gone_bytes, freed, why)


def _bytes(of: Iterable[Piece]) -> tuple[int, int]:
    """The bytes that removing the files gives back, and the bytes of the files, each file once."""
    links: dict[tuple[int, int], list[int]] = {}
    for file in chain.from_iterable(piece.files for piece in of):
        status = file.stat()
        known = links.setdefault((status.st_dev, status.st_ino), [0, status.st_nlink, status.st_size])
        known[0] += 1
    return sum(size for here, all_, size in links.values() if here == all_), sum(n[2] for n in links.values())


def _locked(folder: str) -> bool:
    """Whether a run holds a lock in the folder, noted or not."""
    names = (path.name for path in work_folder(folder).glob(".*.lock"))
    return any(is_held(work_folder(folder) / name[1:].removesuffix(".lock")) for name in names)


def _remove(one: Cleaned) -> None:
    for piece in one.gone:
        # The marker goes last: without its file a piece counts as not done.
        for file in piece.files:
            file.unlink(missing_ok=True)
        if piece.path.is_dir():
            shutil.rmtree(piece.path)
