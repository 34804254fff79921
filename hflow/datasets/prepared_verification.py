"""Reading a prepared dataset again: the hash of every shard, against what was noted when it was written."""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from hflow.datasets.preparation_stats import STATS, read_stats
from hflow.datasets.shard_records import RECORDS, read_records
from hflow.datasets.shards import SHARDS
from hflow.datasets.verification import Fault, Verification
from hflow.foundation.errors import HflowError
from hflow.foundation.nearby import Nearby, nearby
from hflow.foundation.stores import Store

__all__ = ["verify_prepared"]


def verify_prepared(folder: Path | Store, *, workers: int = 4) -> Verification:
    """Read the shards that `prepare` wrote, and find those that are not as they were written.

    Args:
        folder: holds stats.json.
        workers: threads that read.

    Returns:
        What was found; `translated` are the samples that were prepared, of both domains.

    Raises:
        HflowError: stats.json is missing or damaged, or a store can't be read.
    """
    faults: list[Fault] = []
    with nearby(folder) as files, ThreadPoolExecutor(workers) as pool:
        with files.at_hand([STATS]):
            counts = {name: value for name, value in read_stats(files.folder).items() if "/" in name}
        for name, said in counts.items():
            with files.at_hand([f"{name}/{RECORDS}"]):
                faults += _check_split(files, name, said, pool)
    given, prepared, rejected = (
        sum(said[key] for said in counts.values()) for key in ("given", "prepared", "rejected")
    )
    return Verification(given, prepared, rejected, faults)


def _check_split(files: Nearby, name: str, said: Mapping[str, Any], pool: ThreadPoolExecutor) -> Iterator[Fault]:
    try:
        records = read_records(files.folder / name)
    except HflowError as error:
        yield Fault(f"{name}/{RECORDS}", str(error))
        return
    there = {place.rpartition("/")[2]: place for place in files.named(f"{name}/{SHARDS}")}
    known = [shard for shard in records if shard in there]
    digests = pool.map(files.sha256, [there[shard] for shard in known])
    for shard, digest in zip(known, digests, strict=True):
        if digest != records[shard].sha256:
            yield Fault(there[shard], "has other bytes than when it was written")
    for shard in sorted(records.keys() - there.keys()):
        yield Fault(f"{name}/{shard}", "is missing")
    for shard in sorted(there.keys() - records.keys()):
        yield Fault(f"{name}/{shard}", f"is not named in {RECORDS}")
    rows = sum(record.rows for record in records.values())
    if rows != said["prepared"]:
        yield Fault(f"{name}/{RECORDS}", f"tells of {rows} samples, and {said['prepared']} were prepared")
