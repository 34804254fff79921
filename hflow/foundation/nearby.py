"""The files of a folder, to be read here: those of a folder in a store are brought one by one and not kept."""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from hflow.foundation.errors import HflowError
from hflow.foundation.hashes import sha256_file
from hflow.foundation.stores import Store

__all__ = ["Nearby", "nearby"]


class Nearby:
    """A folder of this machine, or one in a store whose files are here while they are at hand.

    Attributes:
        folder: where the files lie here.
    """

    def __init__(self, folder: Path, store: Store | None = None):
        self.folder = folder
        self._store = store
        self._there = store.sizes() if store else {}
        self._hashes: dict[str, str] = {}

    @contextlib.contextmanager
    def at_hand(self, names: Sequence[str]) -> Iterator[None]:
        """Have files, those of them that there are, in `folder` until the block ends; of one name once at a time."""
        brought = [name for name in dict.fromkeys(names) if name in self._there]
        try:
            if self._store:
                self._store.bring(brought, self.folder)
                self._hashes |= {name: sha256_file(self.folder / name) for name in brought}
            yield
        finally:
            for name in brought:
                (self.folder / name).unlink(missing_ok=True)

    def stored(self) -> list[str]:
        """All files of the store, sorted; of a folder of this machine, where nothing need be brought, none."""
        return list(self._there)

    def size(self, name: str) -> int | None:
        """The bytes of a file of the store; None where there is none, and of a folder of this machine."""
        return self._there.get(name)

    def told(self, text: str) -> str:
        """A text that names files of `folder`, by the addresses that they have in the store."""
        return text.replace(str(self.folder), str(self._store)) if self._store else text

    def named(self, pattern: str) -> list[str]:
        """The files whose names fit, sorted; * stands for no slash."""
        if self._store is None:
            return sorted(path.relative_to(self.folder).as_posix() for path in self.folder.glob(pattern))
        depth = pattern.count("/")
        return [name for name in self._there if name.count("/") == depth and PurePosixPath(name).match(pattern)]

    def sha256(self, name: str) -> str:
        """The SHA-256 of a file, in hexadecimal; it is brought for this alone where it was not at hand before.

        Raises:
            FileNotFoundError: there is no such file.
        """
        if self._store is None or name not in self._there:
            return sha256_file(self.folder / name)
        if name not in self._hashes:
            with self.at_hand([name]):
                pass
        return self._hashes[name]


@contextlib.contextmanager
def nearby(folder: Path | Store) -> Iterator[Nearby]:
    """The files of a folder, until the block ends.

    Raises:
        HflowError: the store can't be read; or what the block raises, with the addresses of files in the store.
    """
    if isinstance(folder, Path):
        yield Nearby(folder)
        return
    with TemporaryDirectory() as here:
        files = Nearby(Path(here), folder)
        try:
            yield files
        except HflowError as error:
            said = files.told(str(error))
            if said == str(error):
                raise
            raise type(error)(said) from None
