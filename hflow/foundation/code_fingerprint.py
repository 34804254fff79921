"""The hash that knows the code of a result again."""

import hashlib
from pathlib import Path

__all__ = ["code_fingerprint"]


def code_fingerprint(*names: str) -> str:
    """A hash of the sources of modules and packages of hflow, by their paths: `"foundation/labels.py"`, `"model"`."""
    package = Path(__file__).parents[1]
    digest = hashlib.sha256()
    for name in sorted(names):
        place = package / name
        for source in sorted(place.rglob("*.py")) if place.is_dir() else [place]:
            digest.update(source.relative_to(package).as_posix().encode() + b"\0" + source.read_bytes() + b"\0")
    return digest.hexdigest()
