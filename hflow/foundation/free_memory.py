"""How much memory may still be taken."""

import contextlib
from pathlib import Path

import psutil

__all__ = ["free_memory"]

CGROUP = Path("/sys/fs/cgroup")


def free_memory() -> int:
    """Bytes that this process may still take: what the system can give, or the container's limit leaves."""
    free = psutil.virtual_memory().available
    with contextlib.suppress(OSError, ValueError):  # no limit is the word "max"
        limit = int((CGROUP / "memory.max").read_text())
        cached = dict(line.split() for line in (CGROUP / "memory.stat").read_text().splitlines())["inactive_file"]
        free = min(free, limit - int((CGROUP / "memory.current").read_text()) + int(cached))
    return max(free, 0)
