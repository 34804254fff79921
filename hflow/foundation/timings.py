"""How long stages took: kept in the work folder, apart from the stages' results, which are the same at any speed.

A timing is filed under the hash of a file that the stage made, so it is found for that result alone: not for one that
came from a cache or from another machine.
"""

import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hflow.foundation.atomic_files import write_json
from hflow.foundation.hashes import sha256_file

__all__ = ["Timing", "Watch", "read_timing", "write_timing"]


@dataclass(frozen=True)
class Timing:
    """The run that finished a stage: how many frames it worked on, for how many seconds, on which device."""

    frames: int
    seconds: float
    device: str

    @property
    def rate(self) -> float:
        """Frames a second."""
        return self.frames / self.seconds


class Watch:
    """Times one run of a stage, from now on.

    Args:
        work: the stage's work folder; what is finished in it already is not this run's work.
    """

    def __init__(self, work: Path):
        self._work = work
        self._before = self._markers()
        self._start = time.monotonic()

    def finished(self) -> list[Mapping[str, Any]]:
        """What was noted about each piece of work that this run finished."""
        markers = sorted(self._markers() - self._before)
        return [json.loads(marker.read_text(encoding="utf-8"))["note"] for marker in markers]

    def _markers(self) -> set[Path]:
        """The markers of finished pieces; other JSON files have no piece of their name beside them."""
        return {path for path in self._work.rglob("*.json") if path.with_suffix("").is_file()}

    def stop(self, frames: int, device: str) -> Timing:
        return Timing(frames, time.monotonic() - self._start, device)


def write_timing(folder: Path, result: Path, timing: Timing) -> None:
    """File a timing under a result; a run that found all of its work done leaves the earlier timing as it is."""
    if timing.frames:
        write_json(_place(folder, result), asdict(timing))


def read_timing(folder: Path, result: Path) -> Timing | None:
    """The timing of this result; None where it was not made here or is not there."""
    try:
        return Timing(**json.loads(_place(folder, result).read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError, TypeError):
        return None


def _place(folder: Path, result: Path) -> Path:
    return folder / f"{sha256_file(result)}.json"
