"""The hashes that know a file or a value again."""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

__all__ = ["fingerprint", "list_fingerprint", "sha256_file"]


def sha256_file(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fingerprint(value: Any) -> str:
    """The SHA-256 of a JSON value in its canonical form: keys sorted, no white space."""
    return hashlib.sha256(_canonical(value)).hexdigest()


def list_fingerprint(values: Iterable[Any]) -> str:
    """The fingerprint of a list whose values come one by one."""
    digest = hashlib.sha256(b"[")
    for number, value in enumerate(values):
        digest.update((b"," if number else b"") + _canonical(value))
    digest.update(b"]")
    return digest.hexdigest()


def _canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), default=str).encode()
