"""Reading a prepared dataset again: the hash of every shard, against what was noted when it was written."""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from hflow.datasets.preparation_stats import read_stats
from hflow.datasets.shard_records import RECORDS, read_records
from hflow.datasets.shards import shard_files
from hflow.datasets.verification import Fault, Verification
from hflow.foundation.errors import HflowError
from hflow.foundation.hashes import sha256_file

__all__ = ["verify_prepared"]


def verify_prepared(folder: Path, *, workers: int = 4) -> Verification:
    """Read the shards that `prepare` wrote, and find those that are not as they were written.

    Args:
        folder: holds stats.json.
        workers: threads that read.

    Returns:
        What was found; `translated` are the samples that were prepared, of both domains.

    Raises:
        HflowError: stats.json is missing or damaged.
    """
    counts = {name: value for name, value in read_stats(folder).items() if "/" in name}
    faults: list[Fault] = []
    with ThreadPoolExecutor(workers) as pool:
        for name, said in counts.items():
            faults += _check_split(folder, name, said, pool)
    given, prepared, rejected = (
        sum(said[key] for said in counts.values()) for key in ("given", "prepared", "rejected")
    )
    return Verification(given, prepared, rejected, faults)


def _check_split(folder: Path, name: str, said: Mapping[str, Any], pool: ThreadPoolExecutor) -> Iterator[Fault]:
    place = folder / name
    try:
        records = read_records(place)
    except HflowError as error:
        yield Fault(f"{name}/{RECORDS}", str(error))
        return
    there = {path.name: path for path in shard_files(place)}
    known = [there[shard] for shard in records if shard in there]
    for path, digest in zip(known, pool.map(sha256_file, known), strict=True):
        if digest != records[path.name].sha256:
            yield Fault(f"{name}/{path.name}", "has other bytes than when it was written")
    for shard in sorted(records.keys() - there.keys()):
        yield Fault(f"{name}/{shard}", "is missing")
    for shard in sorted(there.keys() - records.keys()):
        yield Fault(f"{name}/{shard}", f"is not named in {RECORDS}")
    rows = sum(record.rows for record in records.values())
    if rows != said["prepared"]:
        yield Fault(f"{name}/{RECORDS}", f"tells of {rows} samples, and {said['prepared']} were prepared")
