"""The images of a folder to translate: which they are, and what of them earlier runs have finished."""

import itertools
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa

from hflow.datasets.listing import IMAGE_SUFFIXES, list_images
from hflow.datasets.manifest import MANIFEST, MANIFEST_SCHEMA, read_manifest, told
from hflow.datasets.manifest_rows import joined
from hflow.foundation.errors import HflowError
from hflow.foundation.stores import Store

__all__ = ["FinishedImages", "find_images"]

LINES = 10_000


def find_images(
    frames: Path | Store, names: Path | None = None, there: Sequence[str] | None = None
) -> list[tuple[str, str]]:
    """The path of each image in a folder, and its key: the name in images/, or in the folder, without its ending.

    Of several that differ by their ending alone, the ending stays.

    Args:
        frames: the folder.
        names: a text file of the images to take, a path in the folder a line; None takes all.
        there: the paths of the images in it, where it lies in a store.

    Raises:
        HflowError: there are none, or a name is not that of an image in the folder.
    """
    if isinstance(frames, Store):
        found = list(there or ())
        within = "images/" if found and all(path.startswith("images/") for path in found) else ""
    else:
        within = "images/" if (frames / "images").is_dir() else ""
        found = _found(frames, within) if names is None else []
    if names is None:
        paths = found
        if not paths:
            gone = isinstance(frames, Path) and not frames.exists()
            fault = "is not there" if gone else "has no images"
            raise HflowError(f"{frames} {fault}: name a folder of {', '.join(IMAGE_SUFFIXES)}")
    else:
        paths = list(dict.fromkeys(_listed(names)))
        for path in paths:
            if not path.startswith(within) or PurePosixPath(path).suffix.lower() not in IMAGE_SUFFIXES:
                raise HflowError(
                    f"{names} names {path!r}: a line is an image's path in {frames}, {within}NAME, with one of the "
                    f"endings {', '.join(IMAGE_SUFFIXES)}"
                )
    keys = [PurePosixPath(path).with_suffix("").as_posix().removeprefix(within) for path in paths]
    count = Counter(keys)
    return [
        (path, key if count[key] == 1 else path.removeprefix(within)) for path, key in zip(paths, keys, strict=True)
    ]


def _found(frames: Path, within: str) -> list[str]:
    found = list_images(frames / within) if frames.is_dir() else []
    return [path.relative_to(frames).as_posix() for path in found]


def _listed(names: Path) -> Iterator[str]:
    """The lines of a list that name something."""
    try:
        lines = names.read_text(encoding="utf-8").split("\n")
    except (OSError, ValueError) as error:
        raise HflowError(f"{names} can't be read as a list of images: {error}") from None
    found = [line.strip().removeprefix("./") for line in lines]
    if not any(found):
        raise HflowError(f"{names} names no image: write a path a line")
    return (line for line in found if line)


class FinishedImages:
    """The manifest's rows of earlier runs by image, the journal of an interrupted one first; most of it Arrow's.

    Args:
        out: the folder that was written.
        journal: the name of the journal in it.
    """

    def __init__(self, out: Path, journal: str):
        place = out / MANIFEST
        tables = [told(read_manifest(place, fill=True).rows.table, {})] if place.is_file() else []
        if (out / journal).is_file():
            with (out / journal).open(encoding="utf-8", errors="replace") as lines:
                while some := list(itertools.islice(lines, LINES)):
                    tables.append(told(pa.Table.from_pylist(list(_rows(some)), schema=MANIFEST_SCHEMA), {}))
        self._table = joined(tables or [MANIFEST_SCHEMA.empty_table()])
        places = self._table["source_path"].to_pylist()
        self._number = {place: number for number, place in enumerate(places)}

    def rows_of(self, paths: Iterable[str]) -> list[dict[str, Any]]:
        """The last row of each image that has one."""
        numbers = [self._number[path] for path in paths if path in self._number]
        rows: list[dict[str, Any]] = self._table.take(numbers).to_pylist() if numbers else []
        return rows


def _rows(lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    for line in lines:
        try:
            yield json.loads(line)
        except ValueError:  # the line that was being written when the run was killed
            continue
