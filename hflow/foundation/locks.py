"""One process at a time."""

import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from hflow.foundation.atomic_files import sibling, writable
from hflow.foundation.errors import HflowError

__all__ = ["exclusive", "is_held"]


@contextlib.contextmanager
def exclusive(path: Path, *, patience: float = 0) -> Iterator[None]:
    """Be the only process on this machine that writes `path`; the system frees it when the process ends, however.

    Args:
        path: what is written.
        patience: seconds to wait for another process that is writing it.

    Raises:
        HflowError: another process is writing it, or the folder it lies in can't be written to.
    """
    place = sibling(path, "lock")
    # A file system without locks gives an error: a lock that is a mere file would outlive a killed process.
    lock = FileLock(place, timeout=patience, fallback_to_soft=False)
    try:
        with writable(path):
            place.parent.mkdir(parents=True, exist_ok=True)
            lock.acquire()
    except Timeout:
        owner = _owner(place) or "another process"
        raise HflowError(f"{path} is being written by {owner}: wait until it has ended, or name another") from None
    try:
        place.write_text(f"process {os.getpid()} on {socket.gethostname()}", encoding="utf-8")
        yield
    finally:
        place.unlink(missing_ok=True)
        lock.release()


def is_held(path: Path) -> bool:
    """Whether a process is the only one now that writes `path`, as `exclusive` makes it."""
    place = sibling(path, "lock")
    if not place.exists():
        return False
    lock = FileLock(place, blocking=False, fallback_to_soft=False)
    try:
        lock.acquire()
    except Timeout:
        return True
    lock.release()
    return False


def _owner(place: Path) -> str:
    try:
        return place.read_text(encoding="utf-8")
    except FileNotFoundError:  # freed meanwhile
        return ""
