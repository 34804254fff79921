"""What has been written of an export, kept in little memory however many files there are."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from os import SEEK_END
from pathlib import Path
from tempfile import TemporaryFile
from types import MappingProxyType
from typing import Any

import pyarrow as pa

from hflow.datasets.manifest_rows import ROWS_AT_ONCE, ManifestRows
from hflow.export.croissant import exact_patterns, set_suffixes
from hflow.foundation.errors import HflowError

__all__ = ["Written"]


class Written:
    """What has been written of an export; its frames can be gone through, and are kept in a file without a name.

    Args:
        staging: a folder on whose disk that file lies.
        sets: what the export's many files are, as a layout says.
        archived: whether frames' files lie in archives. Images there are the files whose names have one dot.
    """

    def __init__(self, staging: Path, sets: Mapping[str, Sequence[str]], *, archived: bool = False):
        self.frames = self.files = 0
        self.pixels: Counter[str] = Counter()
        self._suffixes: dict[str, str] = {}
        self._sets = sets
        self._archived = archived
        self._images: set[str] = set()
        self._told = TemporaryFile("w+", encoding="utf-8", dir=staging)  # noqa: SIM115, it is closed when this goes
        self._names: list[pa.Array] = []
        self._digests: list[pa.Array] = []
        self._marks: set[int] = set()

    def __iter__(self) -> Iterator[dict[str, Any]]:
        self._told.seek(0)
        return map(json.loads, iter(self._told.readline, ""))

    def add(self, note: Mapping[str, Any]) -> None:
        """Take in what was noted of a shard.

        Raises:
            HflowError: a file of it has the name of another.
        """
        self._check_names(note)
        self._told.seek(0, SEEK_END)
        self._told.writelines(json.dumps(frame) + "\n" for frame in note["frames"])
        self.frames += len(note["frames"])
        self.files += len(note["files"])
        for frame in note["frames"]:
            self.pixels.update(frame["pixels"])
        if self._archived:
            self._images.update(exact_patterns(frame["files"][0] for frame in note["frames"]))
            held: Iterable[str] = (name for frame in note["frames"] for name in frame["files"])
        else:
            held = note["files"]
        self._suffixes = self.suffixes_with(held)
        self._names.append(pa.array(list(note["files"]), pa.string()))
        self._digests.append(pa.array([bytes.fromhex(digest) for digest in note["files"].values()], pa.binary(32)))

    @property
    def sets(self) -> dict[str, Sequence[str]]:
        """What the many files are: a name, and patterns of their names."""
        return {"images": sorted(self._images), **self._sets} if self._archived else dict(self._sets)

    def suffixes_with(self, names: Iterable[str]) -> dict[str, str]:
        """The suffix of the first file of each set that has one, those of `names` the last."""
        left = {name: patterns for name, patterns in self.sets.items() if name not in self._suffixes}
        return self._suffixes | set_suffixes(names, left)

    def sums(self, others: Mapping[str, str] = MappingProxyType({})) -> Iterator[tuple[str, str]]:
        """The hash of each file, and of others, by name, sorted."""
        names = pa.chunked_array([*self._names, pa.array(list(others), pa.string())])
        digests = [pa.array([bytes.fromhex(digest) for digest in others.values()], pa.binary(32))]
        table = pa.table({"name": names, "digest": pa.chunked_array([*self._digests, *digests])}).combine_chunks()
        for some in ManifestRows(table).in_order("name").tables(ROWS_AT_ONCE):
            for row in some.to_pylist():
                yield row["name"], row["digest"].hex()

    def _check_names(self, note: Mapping[str, Any]) -> None:
        # A number is a third of a name's memory; of two that are equal by chance the names are looked at.
        here: dict[str, str] = {}
        for frame in note["frames"]:
            key = frame["facts"]["key"]
            for name in frame["files"]:
                first = here.get(name) or (self._key_of(name) if hash(name) in self._marks else None)
                if first:
                    raise HflowError(f"{first!r} and {key!r} would both become {name}")
                here[name] = key
        self._marks |= {hash(name) for name in here}

    def _key_of(self, name: str) -> str | None:
        return next((frame["facts"]["key"] for frame in self if name in frame["files"]), None)
