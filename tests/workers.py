"""Worker processes, found and killed, for tests."""

import os
import signal
import time
from pathlib import Path

__all__ = ["descendants", "kill_a_worker"]


def kill_a_worker(above: int, work: Path, known: set[int] | None = None, seconds: float = 400) -> None:
    """Kill -9 a worker process below another process, but none of those known, once a shard is finished."""
    end = time.monotonic() + seconds
    while not list(work.glob("*.json")):
        assert time.monotonic() < end, f"no shard is finished in {work}"
        time.sleep(0.01)
    victims = [p for p in descendants(above) if p not in (known or set()) and _is_worker(p)]
    os.kill(victims[0], signal.SIGKILL)


def descendants(process: int) -> list[int]:
    """The ids of all processes below a process."""
    found = []
    for thread in Path(f"/proc/{process}/task").iterdir():
        for child in map(int, (thread / "children").read_text().split()):
            found += [child, *descendants(child)]
    return found


def _is_worker(process: int) -> bool:
    return b"spawn_main" in Path(f"/proc/{process}/cmdline").read_bytes()
