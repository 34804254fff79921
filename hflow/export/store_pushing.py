"""A dataset into an object store: the data first, what says that it is whole last; what was sent is not sent again."""

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hflow.datasets.manifest import EXPORTED, MANIFEST, SUMS, read_sums
from hflow.datasets.preparation_stats import STATS
from hflow.datasets.prepared_verification import verify_prepared
from hflow.datasets.verification import verify
from hflow.foundation.errors import HflowError
from hflow.foundation.hashes import sha256_file
from hflow.foundation.progress import progress
from hflow.foundation.stores import Store

__all__ = ["PUSHED", "push_to_store"]

PUSHED = "pushed.json"
"""In the store: the hash of each file that has come whole, while and after a dataset is sent."""

LAST = (EXPORTED, STATS, MANIFEST, SUMS)
"""By these files a dataset is known as one: while they are missing, it is not whole."""

AT_ONCE = 64
SECONDS_BETWEEN_NOTES = 10.0


def push_to_store(folder: Path, to: Store) -> dict[str, Any]:
    """Put a dataset into a store, and take away what an earlier version of it has beside it.

    Interrupted and started again, it sends what isn't there yet. Nobody else may write there meanwhile.

    Args:
        folder: of shards, as the stages prepare and translate write them, or an export.
        to: a folder that is missing, empty, or was written by this function before.

    Returns:
        How many files there are, how many were sent, and where.

    Raises:
        HflowError: the dataset is not whole, `to` holds something else, or the store can't be written to.
    """
    wanted = _whole_files(folder)
    there = to.sizes()
    if there and PUSHED not in there:
        raise HflowError(f"{to} holds something else already: name an empty folder")
    known: dict[str, str] = json.loads(to.read(PUSHED) or b"{}")
    kept = {
        name: digest
        for name, digest in known.items()
        if wanted.get(name) == digest and there.get(name) == (folder / name).stat().st_size
    }
    fresh = [name for name in wanted if name not in kept]
    stale = [name for name in known if name not in wanted]
    if fresh or stale:
        first, last = [name for name in fresh if name not in LAST], [name for name in LAST if name in wanted]
        kept = {name: digest for name, digest in kept.items() if name not in last}
        # Before anything is replaced, so that no reader takes a mixture for the dataset.
        to.remove(name for name in reversed(LAST) if name in there)
        _note(to, kept)
        with progress("push", len(first), unit="files") as advance:
            noted = time.monotonic()
            for number in range(0, len(first), AT_ONCE):
                some = first[number : number + AT_ONCE]
                to.send(some, folder)
                kept |= {name: wanted[name] for name in some}
                if time.monotonic() - noted > SECONDS_BETWEEN_NOTES:
                    _note(to, kept)
                    noted = time.monotonic()
                advance(len(some))
        to.remove(stale)
        _note(to, {**kept, **{name: wanted[name] for name in last}})
        for name in last:
            to.send([name], folder)
    return {"files": len(wanted), "sent": len(fresh), "out": str(to)}


def _note(to: Store, files: Mapping[str, str]) -> None:
    to.write(PUSHED, (json.dumps(dict(sorted(files.items())), indent=2) + "\n").encode())


def _whole_files(folder: Path) -> dict[str, str]:
    """The files of a dataset that is whole, and the hash of each."""
    if (folder / STATS).is_file():
        found = verify_prepared(folder)
        names = [path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*")) if path.is_file()]
        sums = {}
    elif (folder / SUMS).is_file():
        found = verify(folder)
        sums = read_sums(folder)
        names = [*sums, SUMS]
    else:
        raise HflowError(f"{folder} has no {SUMS}: push a folder that prepare, translate or `hflow export` wrote")
    if found.faults:
        raise HflowError(f"{folder} is not whole ({found.faults[0]}): see `hflow verify {folder}`")
    return {name: sums.get(name) or sha256_file(folder / name) for name in names}
