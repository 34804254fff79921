"""Folders in an object store, by fsspec: s3://BUCKET/FOLDER, gs://BUCKET/FOLDER, az://CONTAINER/FOLDER."""

import contextlib
import re
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt, wait_exponential

from hflow.foundation.atomic_files import FULL, writable
from hflow.foundation.errors import AwayError, HflowError
from hflow.foundation.progress import say

__all__ = ["SCHEMES", "Store", "path_or_store"]

ATTEMPTS = 3
FIRST_DELAY = 1.0
SILENCE = 60
"""Seconds without a byte after which a connection counts as lost."""

THREADS = 16
PART = 8 << 20
"""Bytes of a large object that are sent or brought at once."""

Result = TypeVar("Result")


@dataclass(frozen=True)
class _Kind:
    """How a kind of store is reached.

    Attributes:
        extra, module: of hflow, and what it installs.
        hint: what to set.
        options, sending: of its file system, and of sending a file there.
    """

    extra: str
    module: str
    hint: str
    options: Callable[[], Mapping[str, Any]] = dict
    sending: Callable[[], Mapping[str, Any]] = dict


def _s3_options() -> Mapping[str, Any]:
    silence = {"connect_timeout": 10, "read_timeout": SILENCE, "max_pool_connections": 2 * THREADS}
    return {"default_block_size": PART, "max_concurrency": 2, "config_kwargs": silence}


_KINDS = {
    "s3": _Kind(
        "s3",
        "s3fs",
        "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE; AWS_ENDPOINT_URL where it is not Amazon's",
        _s3_options,
        lambda: {"chunksize": PART},
    ),
    "gs": _Kind("gs", "gcsfs", "GOOGLE_APPLICATION_CREDENTIALS, or run `gcloud auth application-default login`"),
    "az": _Kind(
        "az",
        "adlfs",
        "AZURE_STORAGE_CONNECTION_STRING, or AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY",
    ),
}

SCHEMES = tuple(f"{kind}://" for kind in _KINDS)
"""What the address of a folder in a store begins with."""


def path_or_store(address: str) -> "Path | Store":
    """The folder or file of this machine, or the folder in a store, that an argument names.

    Raises:
        HflowError: it is a URL of another kind, or names no bucket.
    """
    return Store(address) if "://" in address else Path(address)


class Store:
    """A folder in an object store.

    What has its name there is whole: stores show an object once all of it has come. What may pass is tried again; an
    object that was not sent whole leaves nothing under its name.

    Args:
        address: s3://BUCKET/FOLDER and the like.

    Raises:
        HflowError: it is no such address.
    """

    def __init__(self, address: str):
        found = re.fullmatch(r"(\w+)://([^/?#]+)(/.*)?", address.rstrip("/"))
        if not found or found[1] not in _KINDS or "@" in found[2]:
            raise HflowError(f"{address} is no folder in a store: give s3://BUCKET/FOLDER, gs://... or az://...")
        self._kind = _KINDS[found[1]]
        self.bucket = found[2]
        self.address = address.rstrip("/")
        self._root = self.address.partition("://")[2]
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="store")
        self._turn = threading.Lock()

    def __str__(self) -> str:
        return self.address

    def sizes(self) -> dict[str, int]:
        """The bytes of each file below the folder, by its name there, sorted; empty where there is no such folder."""

        def listed() -> dict[str, int]:
            within = f"{self._root}/"
            found = self._files.find(self._root, detail=True)
            return {name.removeprefix(within): said["size"] for name, said in found.items() if name.startswith(within)}

        try:
            found = self._done("", listed)
        except FileNotFoundError:
            return {}
        return {name: found[name] for name in sorted(found) if name and not name.endswith("/")}

    def bring(self, names: Iterable[str], folder: Path) -> None:
        """Copy files to the same names below `folder`, which nobody else reads; several at once.

        Raises:
            HflowError: one is missing, its name leads elsewhere, or the store can't be read.
        """

        def one(name: str) -> None:
            _check_name(name)
            place = folder / name
            place.parent.mkdir(parents=True, exist_ok=True)
            try:
                self._done(name, lambda: self._files.get_file(f"{self._root}/{name}", str(place)))
            except FileNotFoundError:
                place.unlink(missing_ok=True)
                raise HflowError(f"{self}/{name} is missing") from None

        with writable(folder):
            self._at_once(one, names)

    def read(self, name: str) -> bytes | None:
        """The bytes of a small file; None where there is none."""
        try:
            content: bytes = self._done(name, lambda: self._files.cat_file(f"{self._root}/{name}"))
        except FileNotFoundError:
            return None
        return content

    def send(self, names: Iterable[str], folder: Path) -> None:
        """Copy files below `folder` to the same names here, several at once; each is whole here, or not to be seen.

        Raises:
            HflowError: the store can't be written to.
        """
        self._at_once(
            lambda name: self._done(
                name,
                lambda: self._files.put_file(str(folder / name), f"{self._root}/{name}", **self._kind.sending()),
            ),
            names,
        )

    def write(self, name: str, content: bytes) -> None:
        """Write a small file; errors as of `send`."""
        self._done(name, lambda: self._files.pipe_file(f"{self._root}/{name}", content))

    def remove(self, names: Iterable[str]) -> None:
        """Remove files; one that is not there is no error."""

        def one(name: str) -> None:
            with contextlib.suppress(FileNotFoundError):
                self._done(name, lambda: self._files.rm_file(f"{self._root}/{name}"))

        self._at_once(one, names)

    def _at_once(self, work: Callable[[str], Any], names: Iterable[str]) -> None:
        for _ in self._pool.map(work, names):
            pass

    @property
    def _files(self) -> Any:
        with self._turn:
            return self._file_system

    @cached_property
    def _file_system(self) -> Any:
        scheme = self.address.partition("://")[0]
        try:
            import fsspec

            # Listings are asked for anew each time: others write there too.
            return fsspec.filesystem(scheme, use_listings_cache=False, skip_instance_cache=True, **self._kind.options())
        except ImportError:
            kind = self._kind
            raise HflowError(f"{self}: {kind.module} is missing: uv pip install 'hflow[{kind.extra}]'") from None

    def _done(self, name: str, work: Callable[[], Result]) -> Result:
        """What some work on a file gives; what may pass is tried again, and what stays is said in one line.

        Raises:
            FileNotFoundError: there is no such file.
            OSError: this machine has no room.
            HflowError: anything else.
        """
        place = f"{self}/{name}" if name else str(self)

        def again(state: RetryCallState) -> None:
            assert state.outcome
            say(f"{place}: {_told(state.outcome.exception())}: trying again")

        attempts = Retrying(
            stop=stop_after_attempt(ATTEMPTS),
            wait=wait_exponential(FIRST_DELAY, max=10),
            retry=retry_if_exception(_may_pass),
            before_sleep=again,
            reraise=True,
        )
        try:
            return attempts(work)
        except HflowError:
            raise
        except FileNotFoundError as error:
            if "bucket" in str(error).lower() or "container" in str(error).lower():
                raise HflowError(f"{place}: there is no {self.bucket!r}: make it, or set {self._kind.hint}") from None
            raise
        except PermissionError as error:
            raise HflowError(f"{place}: refused ({_told(error)}): set {self._kind.hint} of one who may") from None
        except Exception as error:
            if isinstance(error, OSError) and error.errno in FULL:
                raise
            if _asks_who(error):
                raise HflowError(f"{place}: {_told(error)}: set {self._kind.hint}") from None
            raise AwayError(
                f"{place}: {_told(error)}: run the same command again, what was finished stays; or set "
                f"{self._kind.hint}"
            ) from None


def _check_name(name: str) -> None:
    path = PurePosixPath(name)
    if path.is_absolute() or path.as_posix() != name or ".." in path.parts or "\0" in name:
        raise HflowError(f"{name!r} is no name that a file below a folder can have")


def _may_pass(error: BaseException) -> bool:
    if isinstance(error, OSError) and error.errno in FULL:
        return False
    lasting = (HflowError, FileNotFoundError, PermissionError, ValueError, TypeError)
    return isinstance(error, Exception) and not isinstance(error, lasting) and not _asks_who(error)


def _asks_who(error: BaseException) -> bool:
    """Whether it tells that there are no credentials, by the names that the libraries have for it."""
    return isinstance(error, ValueError) or any(word in type(error).__name__ for word in ("Credential", "Token"))


def _told(error: BaseException | None) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
