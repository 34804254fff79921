"""stats.json: what prepare counted of each domain and split, and the names of the classes, scored or not."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hflow.foundation.json_files import read_json

__all__ = ["STATS", "given_frames", "read_stats"]

STATS = "stats.json"


def read_stats(prepared: Path) -> dict[str, Any]:
    """What prepare counted: `classes`, those of the target's labels that are `unscored`, and counts by "DOMAIN/SPLIT".

    Args:
        prepared: the folder that prepare wrote.

    Raises:
        HflowError: the file is missing or damaged.
    """
    return read_json(prepared / STATS, made_by="run `hflow prepare`")


def given_frames(stats: Mapping[str, Any]) -> int:
    """How many source frames were given to prepare, those that it rejected among them."""
    return sum(counts["given"] for name, counts in stats.items() if name.startswith("source/"))
