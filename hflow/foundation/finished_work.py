"""Finished pieces of work, known by their fingerprint, so that an interrupted run takes up where it was."""

import contextlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hflow.foundation.atomic_files import atomic_path, write_json
from hflow.foundation.atomic_folders import remove_leftovers
from hflow.foundation.hashes import sha256_file

__all__ = ["Finished", "WorkFolder", "mark_used"]


@dataclass(frozen=True)
class Finished:
    """A piece of finished work: its file, and what was noted about it."""

    path: Path
    sha256: str
    note: Mapping[str, Any]


def mark_used(path: Path) -> None:
    """Note of a kept file or folder that it is of use now, by its time of change: what isn't used may be removed."""
    with contextlib.suppress(OSError):  # it is another user's, or can't be written
        os.utime(path)


class WorkFolder:
    """Finished pieces of work by their fingerprint, so that an interrupted run takes up where it was.

    A piece is a file and a marker written after it, which holds the file's hash. A piece whose file is missing or has
    other bytes than the marker says counts as not done. The bytes are hashed again where the file's length or time of
    change is another than when it was written.
    """

    def __init__(self, folder: Path):
        self.folder = folder

    def find(self, fingerprint: str) -> Finished | None:
        """The finished piece of this fingerprint, or None where there is none that is whole."""
        path, marker = self._places(fingerprint)
        try:
            said = json.loads(marker.read_text(encoding="utf-8"))
            if _stamp(path) != said["stamp"] and sha256_file(path) != said["sha256"]:
                return None
        except (FileNotFoundError, ValueError, KeyError):
            return None
        mark_used(marker)
        return Finished(path, said["sha256"], said["note"])

    def obtain(
        self,
        fingerprint: str,
        make: Callable[[Path], Mapping[str, Any]],
        *,
        keep: Callable[[Mapping[str, Any]], bool] = lambda _: True,
    ) -> Finished:
        """The finished piece of this fingerprint; where there is none, `make` writes it and gives what to note.

        Where `keep` says no to what was noted the piece counts as not done: asked for again, it is made again.
        """
        found = self.find(fingerprint)
        if found:
            return found
        path, marker = self._places(fingerprint)
        with atomic_path(path) as temporary:
            note = make(temporary)
            digest = sha256_file(temporary)
        if keep(note):
            write_json(marker, {"sha256": digest, "stamp": _stamp(path), "note": note})
        return Finished(path, digest, note)

    def remove_leftovers(self, fingerprint: str) -> None:
        """Remove what a killed run left of this piece and of its marker; nobody may be making it."""
        for place in self._places(fingerprint):
            remove_leftovers(place)

    def _places(self, fingerprint: str) -> tuple[Path, Path]:
        return self.folder / fingerprint, self.folder / f"{fingerprint}.json"


def _stamp(path: Path) -> list[int]:
    """What shows without reading it that a file was changed: its length, and the time of its last change."""
    status = path.stat()
    return [status.st_size, status.st_mtime_ns]
