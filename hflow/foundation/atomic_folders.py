"""A folder replaced as one step."""

import ctypes
import errno
import glob
import os
import re
import shutil
from collections.abc import Collection, Mapping
from pathlib import Path

from hflow.foundation.atomic_files import flush, temporary_sibling
from hflow.foundation.errors import HflowError

__all__ = ["check_replaceable", "publish", "remove_leftovers"]

_AT_FDCWD, _RENAME_EXCHANGE = -100, 2  # of Linux


def check_replaceable(folder: Path, mark: str, others: Collection[str]) -> None:
    """See that `publish` would take nothing from a folder but what the same command wrote there.

    Args:
        folder: that is to be written; may be missing or empty.
        mark: the name of the file by which what was written there is known.
        others: the names of what lies beside it.

    Raises:
        HflowError: it is a file, or holds something else.
    """
    if folder.exists() and not folder.is_dir():
        raise HflowError(f"{folder} is a file: name a folder")
    there = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    if there and not (mark in there and there <= {mark, *others}):
        raise HflowError(f"{folder} holds something else already: name a folder that is not there yet")


def publish(files: Mapping[str, Path | bytes], folder: Path) -> None:
    """Make `folder` hold exactly `files`, name to content, as one step.

    A file given by its path is hard-linked where the file system allows it, else copied. All of it goes to a temporary
    sibling, which then changes names with the folder: a reader, and whoever comes after a kill at any moment, finds the
    old folder or the new one. A file system that can't exchange names (NFS) takes two renames instead; should a kill
    come between them, `remove_leftovers` puts the old folder back. Where the name is a link, what it leads to changes.
    """
    folder = folder.resolve()
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_sibling(folder)
    temporary.mkdir()
    retired = temporary.with_suffix(".old")
    try:
        for name, content in files.items():
            place = temporary / name
            place.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, Path):
                try:
                    os.link(content, place)
                    continue
                except OSError:
                    shutil.copyfile(content, place)
            else:
                place.write_bytes(content)
            flush(place)
        for inner, _, _ in os.walk(temporary):
            flush(Path(inner))
        if not folder.exists():
            temporary.rename(folder)
        elif not _exchange(temporary, folder):
            folder.rename(retired)
            temporary.rename(folder)
        flush(folder.parent)
    finally:
        if retired.exists() and not folder.exists():
            retired.rename(folder)
        for done in (temporary, retired):
            shutil.rmtree(done, ignore_errors=True)


def remove_leftovers(path: Path) -> None:
    """Remove the temporary siblings of `path` that a killed `atomic_path` or `publish` left; none may be running.

    The folder that was to be replaced, and is without its name, gets it back.
    """
    path = path.resolve()
    # The random part has no dot: the siblings of "NAME.something" are not those of NAME.
    ours = re.compile(rf"\.{re.escape(path.name)}\.[^.]+\.(tmp|old)")
    for left in path.parent.glob(f".{glob.escape(path.name)}.*"):
        if not ours.fullmatch(left.name):
            continue
        if left.suffix == ".old" and not path.exists():
            left.rename(path)
        else:
            shutil.rmtree(left) if left.is_dir() else left.unlink(missing_ok=True)


def _exchange(a: Path, b: Path) -> bool:
    """Let two paths change names as one step; False where the system or the file system can't."""
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if rename is None:
        return False
    if rename(_AT_FDCWD, os.fsencode(a.absolute()), _AT_FDCWD, os.fsencode(b.absolute()), _RENAME_EXCHANGE) == 0:
        return True
    number = ctypes.get_errno()
    if number in (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP):
        return False
    raise OSError(number, os.strerror(number), str(b))
