"""Lists of JSON values that are too long for memory: they grow in a file, and are written out as json.dumps would."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, BinaryIO

__all__ = ["JsonList", "write_object"]


class JsonList:
    """A list of JSON values, kept in a file without a name until it is written.

    Args:
        folder: on whose disk it is kept.
        indent: of the whole text, as of json.dumps; None puts all into one line.
        depth: how deep in the text the list is.
    """

    def __init__(self, folder: Path, *, indent: int | None, depth: int = 0):
        self._file = TemporaryFile(dir=folder)  # noqa: SIM115, it is closed when the list goes
        self._indent, self._pad = indent, "" if indent is None else "\n" + " " * (indent * depth)
        self._inner = "" if indent is None else self._pad + " " * indent
        self._separator = ", " if indent is None else ","
        self._empty = True

    def add(self, value: Any) -> None:
        """Put a value at the end."""
        text = json.dumps(value, indent=self._indent).replace("\n", self._inner)
        self._file.write(f"{'' if self._empty else self._separator}{self._inner}{text}".encode())
        self._empty = False

    def write(self, out: BinaryIO) -> None:
        """Write it as it is now."""
        self._file.seek(0)
        out.write(b"[")
        shutil.copyfileobj(self._file, out)
        out.write(b"]" if self._empty else f"{self._pad}]".encode())


def write_object(out: BinaryIO, values: Mapping[str, Any], *, indent: int | None) -> None:
    """Write a JSON object whose values may be lists of depth 1."""
    inner, pad = ("", "") if indent is None else ("\n" + " " * indent, "\n")
    out.write(b"{")
    for number, (name, value) in enumerate(values.items()):
        separator = "" if not number else ", " if indent is None else ","
        out.write(f"{separator}{inner}{json.dumps(name)}: ".encode())
        if isinstance(value, JsonList):
            value.write(out)
        else:
            out.write(json.dumps(value, indent=indent).replace("\n", inner).encode())
    out.write((pad if values else "").encode() + b"}")
