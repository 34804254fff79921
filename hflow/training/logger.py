"""Who wants to hear how training goes."""

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

__all__ = ["TrainingLogger"]


class TrainingLogger(Protocol):
    """Is told which training begins or goes on, the losses and the measures of a step, and shown pictures by the name
    of what they show."""

    def begin(self, fingerprint: str) -> None: ...

    def metrics(self, values: Mapping[str, float], step: int) -> None: ...

    def image(self, key: str, path: Path, step: int) -> None: ...
