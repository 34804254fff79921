"""What people decided about translated frames, as a CSV: which to keep, which to leave out, and why."""

import csv
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hflow.foundation.atomic_files import atomic_path
from hflow.foundation.errors import HflowError

__all__ = ["IMAGE_DIGITS", "VERDICTS", "Verdict", "Verdicts", "image_mark", "read_verdicts", "write_verdicts"]

VERDICTS = ("keep", "reject")

IMAGE_DIGITS = 16
"""Digits of an image's SHA-256 that tell it from others."""

COLUMNS = ("split", "key", "image_sha256", "verdict", "reason")


@dataclass(frozen=True)
class Verdict:
    """What a person decided about a frame.

    Attributes:
        split: of the frame; "" is any.
        key: of the frame.
        image: the first sixteen digits of the SHA-256 of the image that was looked at; "" is whatever image the frame
            has.
        verdict: keep or reject.
        reason: in the person's words; may be "".
    """

    split: str
    key: str
    image: str
    verdict: str
    reason: str = ""

    @property
    def rejects(self) -> bool:
        return self.verdict == "reject"


def image_mark(sha256: str) -> str:
    """The digits of an image's SHA-256 by which verdicts know it."""
    return sha256[:IMAGE_DIGITS]


class Verdicts:
    """Verdicts by frame. One of an image counts before one of a frame, and the later of two before the earlier."""

    def __init__(self, verdicts: Iterable[Verdict] = ()):
        self._by_frame = {(one.split, one.key, one.image): one for one in verdicts}

    def __iter__(self) -> Iterator[Verdict]:
        return iter(self._by_frame.values())

    def of(self, row: Mapping[str, Any]) -> Verdict | None:
        """The verdict about the frame of a row of the manifest, None where nobody has decided."""
        for image in (image_mark(row["image_sha256"] or ""), ""):
            for split in (row["split"], ""):
                if found := self._by_frame.get((split, row["key"], image)):
                    return found
        return None


def read_verdicts(path: Path) -> Verdicts:
    """Read a CSV of verdicts, with a header that names the columns.

    `key` and `verdict` are needed, `split`, `image_sha256` and `reason` may be missing or empty; others are passed
    over.

    Raises:
        HflowError: the file is missing or is no such table, or two rows decide differently about the same.
    """
    found: dict[tuple[str, str, str], tuple[Verdict, int]] = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            table = csv.DictReader(file)
            missing = [name for name in ("key", "verdict") if name not in (table.fieldnames or ())]
            if missing:
                raise HflowError(f"{path} has no column {missing[0]!r}: its first line names them, with commas between")
            for row in table:
                verdict = _verdict(row, f"{path}, line {table.line_num}")
                place = verdict.split, verdict.key, verdict.image
                before, line = found.get(place, (verdict, 0))
                if before.verdict != verdict.verdict:
                    raise HflowError(
                        f"{path} says {before.verdict} of {verdict.key!r} in line {line} and {verdict.verdict} in line "
                        f"{table.line_num}: leave one of them"
                    )
                found[place] = verdict, table.line_num
    except FileNotFoundError:
        raise HflowError(f"{path} is missing: `hflow review` makes a page, and `hflow verdicts` the file") from None
    except (csv.Error, UnicodeDecodeError) as error:
        raise HflowError(f"{path} is not a table of verdicts ({error}): save it as CSV in UTF-8") from None
    return Verdicts(verdict for verdict, _ in found.values())


def write_verdicts(path: Path, verdicts: Iterable[Verdict]) -> None:
    """Write verdicts as CSV, by split and key, atomically."""
    rows = sorted((one.split, one.key, one.image, one.verdict, one.reason) for one in verdicts)
    with atomic_path(path) as place, place.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([COLUMNS, *rows])


def _verdict(row: Mapping[str, str | None], where: str) -> Verdict:
    said = {name: (row.get(name) or "").strip() for name in COLUMNS}
    key = row["key"] or ""  # as it is: the names of files may begin or end in spaces
    if not said["key"]:
        raise HflowError(f"{where}: no key: name the frame")
    if said["verdict"] not in VERDICTS:
        raise HflowError(f"{where}: the verdict is {said['verdict']!r}: write keep or reject")
    image = said["image_sha256"].lower()
    if image and not re.fullmatch(rf"[0-9a-f]{{{IMAGE_DIGITS},64}}", image):
        raise HflowError(
            f"{where}: image_sha256 is {said['image_sha256']!r}: write {IMAGE_DIGITS} or more digits of it, or nothing"
        )
    return Verdict(said["split"], key, image_mark(image), said["verdict"], " ".join(said["reason"].split()))
