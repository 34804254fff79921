"""What was noted of shards when they were written: shards.json beside them, with the hash, bytes and rows of each."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from hflow.foundation.errors import HflowError
from hflow.foundation.hashes import sha256_file
from hflow.foundation.json_files import read_json

__all__ = ["RECORDS", "ShardRecord", "read_records", "record_bytes", "recorded", "shard_hashes"]

RECORDS = "shards.json"

_MADE_BY = "run what wrote the shards beside it (`hflow prepare`, or `hflow label`)"


@dataclass(frozen=True)
class ShardRecord:
    """What was noted of a shard: the SHA-256 of its file, the bytes of it, and its rows."""

    sha256: str
    bytes: int
    rows: int


def record_bytes(records: Mapping[str, ShardRecord]) -> bytes:
    """shards.json of these shards, by file name."""
    said = {name: asdict(record) for name, record in sorted(records.items())}
    return (json.dumps(said, indent=2) + "\n").encode()


def read_records(folder: Path) -> dict[str, ShardRecord]:
    """What was noted of the shards in a folder, by file name; empty where nothing was.

    Raises:
        HflowError: shards.json is damaged.
    """
    place = folder / RECORDS
    if not place.is_file():
        return {}
    try:
        return {
            name: ShardRecord(str(said["sha256"]), int(said["bytes"]), int(said["rows"]))
            for name, said in read_json(place, made_by=_MADE_BY).items()
        }
    except (KeyError, TypeError, ValueError):
        raise HflowError(f"{place} tells of no shards: {_MADE_BY} again") from None


def recorded(shards: Iterable[Path]) -> dict[Path, ShardRecord]:
    """What was noted of shards: of those that are as long as they were then, and of which anything was.

    Their bytes are not compared with the hash here, which takes as long as reading them: `hflow verify` does it, and
    a damaged page is noticed by its checksum when it is read.

    Raises:
        HflowError: a shards.json is damaged.
    """
    known: dict[Path, dict[str, ShardRecord]] = {}
    found = {}
    for path in shards:
        if path.parent not in known:
            known[path.parent] = read_records(path.parent)
        record = known[path.parent].get(path.name)
        if record and path.is_file() and path.stat().st_size == record.bytes:
            found[path] = record
    return found


def shard_hashes(shards: Sequence[Path]) -> list[str]:
    """The SHA-256 of each shard as it was noted; of its bytes, where nothing was noted or it has another length now."""
    known = recorded(shards)
    return [known[path].sha256 if path in known else sha256_file(path) for path in shards]
