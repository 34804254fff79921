"""Worker processes, found and killed, for tests."""

import contextlib
import os
import signal
import time
from pathlib import Path

__all__ = ["descendants", "is_worker", "kill_a_worker"]


def kill_a_worker(above: int, work: Path, known: set[int] | None = None, seconds: float = 400) -> None:
    """Kill -9 a worker process below another process, but none of those known, once a shard is finished."""
    end = time.monotonic() + seconds
    while not list(work.glob("*.json")):
        assert time.monotonic() < end, f"no shard is finished in {work}"
        time.sleep(0.01)
    victims = [p for p in descendants(above) if p not in (known or set()) and is_worker(p)]
    os.kill(victims[0], signal.SIGKILL)


def descendants(process: int) -> list[int]:
    """The ids of all processes below a process."""
    found = []
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # a thread may end meanwhile
        for thread in Path(f"/proc/{process}/task").iterdir():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                for child in map(int, (thread / "children").read_text().split()):
                    found += [child, *descendants(child)]
    return found


def is_worker(process: int) -> bool:
    """Whether a process runs, and is one that multiprocessing started."""
    try:
        return b"spawn_main" in Path(f"/proc/{process}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return False
