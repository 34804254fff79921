"""Files that are whole or absent, and the hashes that know them again."""

import contextlib
import csv
import ctypes
import errno
import fcntl
import glob
import hashlib
import io
import json
import os
import re
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hflow.foundation.errors import HflowError

__all__ = [
    "NO_ROOM",
    "Finished",
    "WorkFolder",
    "atomic_path",
    "code_fingerprint",
    "csv_bytes",
    "exclusive",
    "fingerprint",
    "project_root",
    "publish",
    "remove_leftovers",
    "sha256_file",
    "writable",
    "write_json",
    "write_text",
]


NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EFBIG)
"""Errors of writing that trying again does not mend."""

_AT_FDCWD, _RENAME_EXCHANGE = -100, 2  # of Linux


def project_root() -> Path:
    """The folder that relative stores and work folders belong to.

    DVC's experiment queue runs a stage in a copy of the project elsewhere and names the project itself in DVC_ROOT;
    outside DVC it is the current folder.
    """
    return Path(os.environ.get("DVC_ROOT", ".")).resolve()


@contextlib.contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary sibling of `path` to write to; on success flush it to disk and rename it to `path`.

    A process killed at any moment leaves either the old file or the new one under the final name, never a part.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        _sync(temporary)
        temporary.chmod(0o644)
        temporary.replace(path)
        _sync(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


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


def sha256_file(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fingerprint(value: Any) -> str:
    """The SHA-256 of a JSON value in its canonical form: keys sorted, no white space."""
    canonical = json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(canonical.encode()).hexdigest()


def code_fingerprint(*names: str) -> str:
    """A hash of the sources of modules and packages of hflow, by their paths: `"foundation/labels.py"`, `"model"`."""
    package = Path(__file__).parents[1]
    digest = hashlib.sha256()
    for name in sorted(names):
        place = package / name
        for source in sorted(place.rglob("*.py")) if place.is_dir() else [place]:
            digest.update(source.relative_to(package).as_posix().encode() + b"\0" + source.read_bytes() + b"\0")
    return digest.hexdigest()


def publish(files: Mapping[str, Path | bytes], folder: Path) -> None:
    """Make `folder` hold exactly `files`, name to content, as one step.

    A file given by its path is hard-linked where the file system allows it, else copied. All of it goes to a temporary
    sibling, which then changes names with the folder: a reader, and whoever comes after a kill at any moment, finds the
    old folder or the new one. A file system that can't exchange names (NFS) takes two renames instead; should a kill
    come between them, `remove_leftovers` puts the old folder back. Where the name is a link, what it leads to changes.
    """
    folder = folder.resolve()
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".tmp", dir=folder.parent))
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
            _sync(place)
        for inner, _, _ in os.walk(temporary):
            _sync(Path(inner))
        temporary.chmod(0o755)
        if not folder.exists():
            temporary.rename(folder)
        elif not _exchange(temporary, folder):
            folder.rename(retired)
            temporary.rename(folder)
        _sync(folder.parent)
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
    # What tempfile puts into a name has no dot: the siblings of "NAME.something" are not those of NAME.
    ours = re.compile(rf"\.{re.escape(path.name)}\.[^.]+\.(tmp|old)")
    for left in path.parent.glob(f".{glob.escape(path.name)}.*"):
        if not ours.fullmatch(left.name):
            continue
        if left.suffix == ".old" and not path.exists():
            left.rename(path)
        else:
            shutil.rmtree(left) if left.is_dir() else left.unlink(missing_ok=True)


@contextlib.contextmanager
def writable(path: Path) -> Iterator[None]:
    """Say of `path` that it can't be written where an error tells so that trying again does not mend."""
    try:
        yield
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        raise HflowError(
            f"{path} can't be written: {os.strerror(error.errno)}; make room, or name another folder, and run the same "
            "command again: what is finished is kept"
        ) from None


@contextlib.contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Be the only process on this machine that writes `path`; the system frees it when the process ends, however.

    Raises:
        HflowError: another process is writing it, or the folder it lies in can't be written to.
    """
    lock = path.with_name(f".{path.name}.lock")
    try:
        with writable(path):
            lock.parent.mkdir(parents=True, exist_ok=True)
            handle = _locked(lock)
    except BlockingIOError:
        owner = lock.read_text(encoding="utf-8") or "another process"
        raise HflowError(f"{path} is being written by {owner}: wait until it has ended, or name another") from None
    try:
        os.ftruncate(handle, 0)
        os.write(handle, f"process {os.getpid()} on {socket.gethostname()}".encode())
        yield
    finally:
        lock.unlink(missing_ok=True)
        os.close(handle)


def _locked(lock: Path) -> int:
    while True:
        handle = os.open(lock, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(handle)
            raise
        with contextlib.suppress(FileNotFoundError):
            # Whoever held it before may have removed it after it was opened here.
            if os.fstat(handle).st_ino == lock.stat().st_ino:
                return handle
        os.close(handle)


@dataclass(frozen=True)
class Finished:
    """A piece of finished work: its file, and what was noted about it."""

    path: Path
    sha256: str
    note: Mapping[str, Any]


class WorkFolder:
    """Finished pieces of work by their fingerprint, so that an interrupted run takes up where it was.

    A piece is a file and a marker written after it, which holds the file's hash. A piece whose file is missing or has
    other bytes than the marker says counts as not done.
    """

    def __init__(self, folder: Path):
        self.folder = folder

    def find(self, fingerprint: str) -> Finished | None:
        """The finished piece of this fingerprint, or None where there is none that is whole."""
        path, marker = self._places(fingerprint)
        try:
            said = json.loads(marker.read_text(encoding="utf-8"))
            if sha256_file(path) != said["sha256"]:
                return None
        except (FileNotFoundError, ValueError, KeyError):
            return None
        return Finished(path, said["sha256"], said["note"])

    def obtain(self, fingerprint: str, make: Callable[[Path], Mapping[str, Any]]) -> Finished:
        """The finished piece of this fingerprint; where there is none, `make` writes it and gives what to note."""
        found = self.find(fingerprint)
        if found:
            return found
        path, marker = self._places(fingerprint)
        with atomic_path(path) as temporary:
            note = make(temporary)
            digest = sha256_file(temporary)
        write_json(marker, {"sha256": digest, "note": note})
        return Finished(path, digest, note)

    def _places(self, fingerprint: str) -> tuple[Path, Path]:
        return self.folder / fingerprint, self.folder / f"{fingerprint}.json"


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


def _sync(path: Path) -> None:
    """Flush a file or a folder to disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
