"""Files that a frame carries through unchanged, as shards and manifests hold them."""

from collections.abc import Iterable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyarrow as pa

__all__ = ["CARRIED", "CARRIED_SHA256", "carried_faults", "carried_hashes", "carried_value"]

CARRIED = pa.list_(pa.struct([("name", pa.string()), ("suffix", pa.string()), ("bytes", pa.binary())]))
"""Of each file its kind (depth), its name's suffix (.png) and its bytes; null where there is none."""

CARRIED_SHA256 = pa.list_(pa.struct([("name", pa.string()), ("suffix", pa.string()), ("sha256", pa.string())]))
"""The same with hashes in the place of bytes."""

Carried = Iterable[Mapping[str, Any]] | None


def carried_value(files: Mapping[str, Path]) -> list[dict[str, Any]] | None:
    """The value of a column CARRIED: the files as they are, read anew, by kind.

    Raises:
        OSError: one can't be read.
    """
    return [
        {"name": name, "suffix": path.suffix, "bytes": path.read_bytes()} for name, path in sorted(files.items())
    ] or None


def carried_hashes(carried: Carried) -> list[dict[str, Any]] | None:
    """The value of a column CARRIED_SHA256."""
    return [
        {"name": file["name"], "suffix": file["suffix"], "sha256": sha256(file["bytes"]).hexdigest()}
        for file in carried or ()
    ] or None


def carried_faults(carried: Carried, wanted: Carried) -> list[str]:
    """What of a frame's files is not as the hashes say, a line each."""
    if not carried and not wanted:
        return []
    found = {file["name"]: file for file in carried_hashes(carried) or ()}
    said = {file["name"]: file for file in wanted or ()}
    faults = [f"{name} is missing" for name in said.keys() - found.keys()]
    faults += [f"{name} is there, though the manifest has none" for name in found.keys() - said.keys()]
    faults += [
        f"{name} has other bytes than the manifest says"
        for name in said.keys() & found.keys()
        if found[name] != said[name]
    ]
    return sorted(faults)
