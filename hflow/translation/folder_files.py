"""Where the images of a folder are read and written: the folder itself, or for one in a store some parts of it here."""

import functools
import json
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from hflow.datasets.keys import key_fault
from hflow.datasets.listing import IMAGE_SUFFIXES, is_hidden
from hflow.datasets.manifest import MANIFEST, SUMS
from hflow.foundation.errors import HflowError
from hflow.foundation.hashes import fingerprint
from hflow.foundation.stores import Store
from hflow.translation.folder_part import JOURNAL, FolderPart

__all__ = ["JOURNALS", "FolderFiles"]

JOURNALS = "manifest.jsonl.parts/"
"""In a store, where nothing can be appended to: a file of the manifest's rows for each part that is finished."""

BEGUN = f"{JOURNALS}begun"

Row = dict[str, Any]
Translated = tuple[FolderPart, list[Row]]


class FolderFiles:
    """The files of a translation of a folder.

    A part's images are brought before it is translated, and what was made of them is sent behind it, so that little of
    a large folder lies here at a time. For folders of this machine all of it does nothing.

    Args:
        frames, out: the folders that are asked for, each of this machine or in a store.
        work: an empty folder, for what is brought and made.

    Attributes:
        frames, out: the folders that a worker reads and writes.

    Raises:
        HflowError: `out` lies in `frames` or holds something else, or a store can't be read.
    """

    def __init__(self, frames: Path | Store, out: Path | Store, work: Path):
        self._given = frames if isinstance(frames, Store) else None
        self._target = out if isinstance(out, Store) else None
        self.frames = work / "frames" if isinstance(frames, Store) else frames
        self.out = work / "out" if isinstance(out, Store) else out
        _check_out(frames, out)
        self._brought: dict[str, tuple[int, int]] = {}

    def images(self) -> list[str] | None:
        """The images of a folder in a store, by their paths in it; None of one of this machine."""
        if self._given is None:
            return None
        within = "images/" if any(name.startswith("images/") for name in self._names) else ""
        (self.frames / within).mkdir(parents=True, exist_ok=True)
        return [
            name
            for name in self._names
            if name.startswith(within)
            and PurePosixPath(name).suffix.lower() in IMAGE_SUFFIXES
            and not any(map(is_hidden, name.split("/")))
        ]

    def without_label(self, images: Sequence[tuple[str, str]]) -> list[str]:
        """The paths of images that have no label, where there are labels."""
        if not (self.frames / "images").is_dir():
            return []
        if self._given:
            if not any(name.startswith("labels/") for name in self._names):
                return []
            return [path for path, key in images if f"labels/{key}.png" not in self._names]
        labels = self.frames / "labels"
        return [path for path, key in images if not (labels / f"{key}.png").is_file()] if labels.is_dir() else []

    def begin(self) -> None:
        """Bring what earlier runs noted of `out`: the manifest, and as JOURNAL the journals."""
        if self._target is None:
            return
        there = self._target.sizes()
        journals = [name for name in there if name.startswith(JOURNALS)]
        self._target.bring([*journals, *({MANIFEST} & there.keys())], self.out)
        with (self.out / JOURNAL).open("wb") as whole:
            for name in journals:
                whole.write((self.out / name).read_bytes())
                (self.out / name).unlink()
        self._there = there
        if BEGUN not in there:
            # So that a run that is stopped before its first part is finished is known to be one.
            self._target.write(BEGUN, b"")

    def bring(self, part: FolderPart) -> FolderPart:
        """Bring what a part is made of, and what earlier runs made of it."""
        if self._given:
            wanted = [path for path, key in part.images if key_fault(key) is None]
            if part.recipe.labelled:
                wanted += [f"labels/{key}.png" for _, key in part.images if key_fault(key) is None]
            self._given.bring([name for name in wanted if name in self._names], self.frames)
        if self._target:
            made = [name for row in part.done for name in _made(row) if name in self._there]
            self._target.bring(made, self.out)
            self._brought |= {name: _stamp(self.out / name) for name in made}
        return part

    def send(self, translated: Translated) -> list[Row]:
        """Send what was made of a part and is not there already, then its rows; keep nothing of it here.

        Returns:
            The rows.
        """
        part, rows = translated
        if self._target:
            made = [name for row in rows if row["status"] == "translated" for name in _made(row)]
            self._target.send([name for name in made if self._brought.get(name) != _stamp(self.out / name)], self.out)
            name = fingerprint([path for path, _ in part.images])[:16]
            self._target.write(f"{JOURNALS}{name}", "".join(json.dumps(row) + "\n" for row in rows).encode())
            (self.out / JOURNAL).unlink(missing_ok=True)
            for name in {*made, *(name for row in part.done for name in _made(row))}:
                self._brought.pop(name, None)
                (self.out / name).unlink(missing_ok=True)
        if self._given:
            for path, key in part.images:
                if key_fault(key) is None:
                    for name in (path, f"labels/{key}.png"):
                        (self.frames / name).unlink(missing_ok=True)
        return rows

    def finish(self) -> None:
        """Send the manifest, behind all that it tells of; journals are of no use then."""
        (self.out / JOURNAL).unlink(missing_ok=True)
        if self._target:
            self._target.send([MANIFEST], self.out)
            self._target.remove(name for name in self._target.sizes() if name.startswith(JOURNALS))

    @functools.cached_property
    def _names(self) -> dict[str, int]:
        return self._given.sizes() if self._given else {}


def _check_out(frames: Path | Store, out: Path | Store) -> None:
    if isinstance(out, Store):
        inside = f"{out}/".startswith(f"{frames}/")
        there = {name.partition("/")[0] for name in out.sizes()}
    else:
        inside = isinstance(frames, Path) and out.resolve().is_relative_to(frames.resolve())
        if out.exists() and not out.is_dir():
            raise HflowError(f"{out} is a file: name a folder")
        there = {path.name for path in out.iterdir()} if out.is_dir() else set()
    if inside:
        raise HflowError(f"{out} lies in {frames}: name an output folder elsewhere")
    # A dataset of shards and an export have a manifest too, and SHA256SUMS beside it.
    known = {JOURNAL, JOURNALS.rstrip("/")} & there or (MANIFEST in there and SUMS not in there)
    if there and not known:
        raise HflowError(f"{out} holds something else already: name an empty folder")


def _made(row: Row | Any) -> list[str]:
    """The files that were made of an image, by their names in `out`."""
    return [row[name] for name in ("image_path", "label_path") if row[name]]


def _stamp(path: Path) -> tuple[int, int]:
    """What is another once another file has taken the path's place."""
    status = path.stat()
    return status.st_ino, status.st_mtime_ns
