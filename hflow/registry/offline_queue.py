"""What a server that may be away is still to be told: queues in files, in order, until it has been told."""

import contextlib
import fcntl
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from hflow.foundation.progress import say

__all__ = ["OfflineQueue", "RefusedError", "abandoned_queues"]

Entry = Mapping[str, Any]


class RefusedError(Exception):
    """Whoever was told an entry is there and does not take it, and never will: the message says why."""


class OfflineQueue:
    """Entries in the order in which they are to be told, in a file of JSON lines.

    An entry is on disk before it is told, and the file stays until all of it has been. A process that opens a file left
    by another tells it from the start: whoever is told must bear hearing an entry twice.

    Args:
        path: the file; what is in it already comes first.
        tell: is given each entry; what it raises means that the entry was not told, and RefusedError that it never will
            be: such an entry is put aside, in a file beside this one that ends in .refused.
    """

    def __init__(self, path: Path, tell: Callable[[Entry], None]):
        self.path = path
        self._tell = tell
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("a+", encoding="utf-8")
        _lock(self._file)
        self._waiting = list(_entries(path))
        # The last line may be one that was being written when its process was killed.
        self._cut = path.read_bytes()[-1:] not in (b"", b"\n")

    def add(self, entry: Entry) -> None:
        """Put an entry at the end. Nothing else writes to the file, so that its time is that of its last entry."""
        self._file.write(("\n" if self._cut else "") + json.dumps(entry) + "\n")
        self._cut = False
        self._file.flush()
        self._waiting.append(entry)

    def deliver(self) -> int:
        """Tell what is waiting; gives how much that was. The first error ends it, and the rest goes on waiting."""
        told = 0
        while self._waiting:
            try:
                self._tell(self._waiting[0])
                told += 1
            except RefusedError as error:
                self._put_aside(self._waiting[0], str(error))
            del self._waiting[0]
        return told

    def _put_aside(self, entry: Entry, reason: str) -> None:
        path = self.path.with_suffix(".refused")
        line = json.dumps({**entry, "refused": reason}) + "\n"
        if path.exists() and line in path.read_text(encoding="utf-8"):
            return  # A process before this one was told so too.
        with path.open("a", encoding="utf-8") as file:
            file.write(line)
        say(f"{entry.get('what', 'an entry')} was refused ({reason}): it is kept in {path}, and the others go on")

    def close(self) -> None:
        """Remove the file if all of it has been told."""
        if not self._waiting:
            self.path.unlink(missing_ok=True)
        self._file.close()


def abandoned_queues(folder: Path) -> list[Path]:
    """The files in a folder that no living process writes, by the time of their last entry."""
    return [path for path in sorted(folder.glob("*.jsonl"), key=lambda p: p.stat().st_mtime) if _is_left(path)]


def _is_left(path: Path) -> bool:
    with path.open("a+") as file:
        return _lock(file)


def _lock(file: Any) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _entries(path: Path) -> Iterator[Entry]:
    for line in path.read_text(encoding="utf-8").splitlines():
        with contextlib.suppress(ValueError):  # a line that was being written when its process was killed
            yield json.loads(line)
