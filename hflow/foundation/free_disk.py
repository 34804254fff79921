"""How much a disk still takes."""

import fcntl
import shutil
import tempfile
from pathlib import Path

__all__ = ["free_disk", "has_reflinks"]

_FICLONE = 0x40049409  # of Linux


def free_disk(path: Path) -> int:
    """Bytes that are free where `path` lies, or will lie."""
    there = next(place for place in (path.resolve(), *path.resolve().parents) if place.exists())
    return shutil.disk_usage(there).free


def has_reflinks(folder: Path) -> bool:
    """Whether the file system of a folder copies a file without taking its room twice; False in one that is locked."""
    try:
        with tempfile.TemporaryFile(dir=folder) as one, tempfile.TemporaryFile(dir=folder) as other:
            one.write(b"content")
            one.flush()
            fcntl.ioctl(other, _FICLONE, one.fileno())
    except OSError:
        return False
    return True
