"""Which keys a shard holds: neighbours in the keys' order, no more than a bound, whatever else comes or goes.

A shard is a place in the binary tree of the keys' bits, an end of text before any byte: all keys that begin with the
same bits, as few bits as make them no more than a shard may hold. So the keys alone say which shards there are, not the
order in which they came; a key that comes changes the shard it belongs to, or cuts it in two, and no other; and frames
of a sequence stay together.
"""

import hashlib
from bisect import bisect_left
from collections.abc import Mapping
from itertools import accumulate

__all__ = ["MOST_BYTES", "split_by_key"]

MOST_BYTES = 5 << 30
"""Of a shard of several samples, were nothing compressed: 512 samples of 2048x1024, an image and two label maps each.

As PNG they take a third of that.
"""


def split_by_key(sizes: Mapping[str, int], most_rows: int, most_bytes: int = MOST_BYTES) -> dict[str, list[str]]:
    """Cut keys into shards; gives the keys of each, in order, by the file name of the shard, in the order of the keys.

    A shard's name is of the bits that its keys begin with, so it stays when other keys come or go.

    Args:
        sizes: by key, UTF-8, the most bytes that its sample takes.
        most_rows: keys that a shard has at most.
        most_bytes: that its samples take at most; one sample alone may take more.
    """
    keys = sorted(sizes)
    before = [0, *accumulate(sizes[key] for key in keys)]
    shards: dict[str, list[str]] = {}
    waiting = [(0, len(keys), 0)] if keys else []
    while waiting:
        first, end, depth = waiting.pop()
        rows = end - first
        if rows == 1 or (rows <= most_rows and before[end] - before[first] <= most_bytes):
            shards[_name(keys[first], depth)] = keys[first:end]
            continue
        middle = bisect_left(keys, True, first, end, key=lambda key: _bit(key, depth))
        waiting += [(a, b, depth + 1) for a, b in ((middle, end), (first, middle)) if a < b]
    return shards


def _bit(key: str, number: int) -> bool:
    """A bit of a key: nine for each byte, the first of which says that there is one."""
    byte, place = divmod(number, 9)
    content = key.encode()
    if place == 0:
        return byte < len(content)
    return bool(content[byte] >> (8 - place) & 1)


def _name(key: str, depth: int) -> str:
    bits = "".join(str(int(_bit(key, number))) for number in range(depth))
    return f"shard-{hashlib.sha256(bits.encode()).hexdigest()[:16]}.parquet"
