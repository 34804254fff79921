"""The rule for keys: a key is a file's name without its ending, and becomes the name of other files."""

import re

from hflow.foundation.errors import HflowError

__all__ = ["LONGEST_KEY", "check_key", "check_path", "key_fault", "path_fault", "printable"]

LONGEST_KEY = 200
"""Bytes of UTF-8. A file's name has up to 255, of which endings and the marks of temporary files take some."""

_ELSEWHERE = {"", ".", ".."}
_UNWANTED = re.compile(r"[\\\x00-\x1f\x7f]")


def path_fault(path: str) -> str | None:
    """Why a path names no place inside the folder it is taken below, on any file system; None where it does.

    It is to be relative, UTF-8, in its plain form, without `.` and `..`, backslash and control characters.
    """
    try:
        path.encode()
    except UnicodeEncodeError:
        return "it is not UTF-8"
    if not _ELSEWHERE.isdisjoint(path.split("/")):
        return "it leads elsewhere or is not in its plain form"
    if _UNWANTED.search(path):
        return "it has a backslash or a control character"
    return None


def key_fault(key: str) -> str | None:
    """Why a text is no key; None where it is one: a path without fault, of at most LONGEST_KEY bytes."""
    fault = path_fault(key)
    if fault is None and len(key.encode()) > LONGEST_KEY:
        return f"it has {len(key.encode())} bytes, and {LONGEST_KEY} are allowed"
    return fault


def check_key(key: str) -> None:
    """See that a text is a key.

    Raises:
        HflowError: it is not; the reason is named.
    """
    fault = key_fault(key)
    if fault:
        raise HflowError(f"the key {printable(key)!r} is not a plain relative path: {fault}")


def check_path(path: str) -> None:
    """See that a path, such as a file's name in a list, leads to a place inside the folder it is taken below.

    Raises:
        HflowError: it does not; the reason is named.
    """
    fault = path_fault(path)
    if fault:
        raise HflowError(f"the name {printable(path)!r} is not a plain relative path: {fault}")


def printable(name: str) -> str:
    """A file's name as text that can be printed and stored, whatever bytes it has."""
    text = name.encode("utf-8", "backslashreplace").decode()
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
