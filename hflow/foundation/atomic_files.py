"""Files that are whole or absent."""

import contextlib
import csv
import ctypes
import errno
import io
import json
import os
import secrets
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from hflow.foundation.errors import HflowError, NoRoomError

__all__ = [
    "FULL",
    "NO_ROOM",
    "AtomicFiles",
    "atomic_path",
    "csv_bytes",
    "flush",
    "flush_file_system",
    "sibling",
    "temporary_sibling",
    "writable",
    "write_json",
    "write_text",
    "writing_fault",
]

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EFBIG)
"""Errors of writing that trying again does not mend."""

FULL = (errno.ENOSPC, errno.EDQUOT)
"""Those of a disk, or a user's share of it, that is full."""


def sibling(path: Path, ending: str) -> Path:
    """The hidden name `.NAME.ENDING` beside `path`, absolute: the path "." has neither a name nor a parent."""
    path = path.absolute()
    return path.parent / f".{path.name}.{ending}"


def temporary_sibling(path: Path) -> Path:
    """A name beside `path` that is not taken, hidden and ending in .tmp; its random part has no dot."""
    return sibling(path, f"{secrets.token_hex(4)}.tmp")


@contextlib.contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary sibling of `path` to write to; on success flush it to disk and rename it to `path`.

    A process killed at any moment leaves either the old file or the new one under the final name, never a part. The
    file has the permissions that the umask leaves.
    """
    temporary = temporary_sibling(path)
    with writable(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.touch(exist_ok=False)
    try:
        yield temporary
        flush(temporary)
        temporary.replace(path)
        flush(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


class AtomicFiles:
    """Many small files, flushed to disk together: each is whole or absent, and has its name from `commit` on.

    Args:
        folder: that all of them lie below, on one file system.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self._written: deque[tuple[Path, Path]] = deque()

    def add(self, path: Path, content: bytes) -> None:
        """Write a file, for now under a temporary name; threads may do so at once."""
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = temporary_sibling(path)
        try:
            temporary.write_bytes(content)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        self._written.append((temporary, path))

    def commit(self) -> None:
        """Flush what has been added and give it its names; one thread at a time, others may add meanwhile."""
        count = len(self._written)
        if count:
            flush_file_system(self.folder)
        for _ in range(count):
            temporary, path = self._written.popleft()
            temporary.replace(path)

    def discard(self) -> None:
        """Remove what has been added and not committed."""
        while self._written:
            self._written.popleft()[0].unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file atomically, indented, keys in the order given."""
    write_text(path, json.dumps(value, indent=2) + "\n")


def csv_bytes(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """Rows, at least one, as CSV with a header; the columns are the first row's keys."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


@contextlib.contextmanager
def writable(path: Path) -> Iterator[None]:
    """Say of `path` that it can't be written where an error tells so that trying again does not mend."""
    try:
        yield
    except OSError as error:
        fault = writing_fault(error, path)
        if fault is None:
            raise
        raise (NoRoomError if error.errno in FULL else HflowError)(fault) from None


def writing_fault(error: OSError, path: Path | None = None) -> str | None:
    """Why something can't be written, and what to do; None where the error is none that trying again does not mend.

    Args:
        error: of the system.
        path: what was to be written, by default the file that the error names.
    """
    if error.errno not in NO_ROOM:
        return None
    place = path or error.filename2 or error.filename or "the project's folder"
    return (
        f"{place} can't be written: {os.strerror(error.errno)}; make room, or name another folder, and run the same "
        "command again: what is finished is kept"
    )


def flush(path: Path) -> None:
    """Flush a file or a folder to disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def flush_file_system(folder: Path) -> None:
    """Flush the file system that a folder lies on: for many files faster than one by one."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        if ctypes.CDLL(None, use_errno=True).syncfs(handle) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(folder))
    finally:
        os.close(handle)
