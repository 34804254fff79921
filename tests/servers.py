"""Real servers on free loopback ports, for tests."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import requests

from hflow.foundation.loopback import free_port

__all__ = ["free_port", "served"]


@contextlib.contextmanager
def served(
    *arguments: str, url: str, log: Path, environment: Mapping[str, str] | None = None, seconds: float = 120
) -> Iterator[None]:
    """Run `python -m ARGUMENTS` until the block ends; the block begins when `url` answers."""
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", *arguments],
            stdout=out,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(environment or {})},
            cwd=log.parent,
            start_new_session=True,
        )
        try:
            end = time.monotonic() + seconds
            while not _answers(url):
                assert process.poll() is None, log.read_text()[-3000:]
                assert time.monotonic() < end, f"{url} does not answer: {log.read_text()[-3000:]}"
                time.sleep(0.2)
            yield
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def _answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=5).ok
    except requests.RequestException:
        return False
