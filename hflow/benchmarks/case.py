"""What a benchmark measures: the parameters that all of them share, and the clock that times them."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch

from hflow.foundation.devices import torch_threads
from hflow.translation.translator import Precision

__all__ = ["BenchmarkCase", "Clock", "busy_clock"]

Clock = Callable[[], float]
"""Seconds since some moment."""


@dataclass(frozen=True)
class BenchmarkCase:
    """An untrained network at one size, on one device.

    Attributes:
        expansions: of the network.
        size: (width, height) of a frame.
        batch: frames, or training's samples, at once.
        device: where to measure.
        precision: of the Translator, or of the training step.
        rounds: how often each is timed, after one call that isn't.
        clock: what times; see `busy_clock`.
    """

    expansions: Sequence[int]
    size: tuple[int, int]
    batch: int = 1
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    precision: Precision = "auto"
    rounds: int = 5
    clock: Clock = time.perf_counter

    def __str__(self) -> str:
        return f"{tuple(self.expansions)}, {self.size[0]}x{self.size[1]}, batch {self.batch}, on {self.device}"


@contextmanager
def busy_clock(busy: bool) -> Iterator[Clock]:
    """What to time with: the clock, or on a busy machine the processor seconds of one thread, the only one inside."""
    with torch_threads(1 if busy else None):
        yield time.thread_time if busy else time.perf_counter
