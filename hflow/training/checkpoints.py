"""Checkpoints of a training: whole or absent, the newest two kept."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch

from hflow.foundation.atomic_files import atomic_path
from hflow.foundation.progress import say

__all__ = [
    "Progress",
    "checkpoint_files",
    "checkpoint_name",
    "diverged",
    "load_newest",
    "save_checkpoint",
    "without_step",
]

KEPT = 2


@dataclass
class Progress:
    """How far a training is.

    Attributes:
        step: how many steps are done.
        losses: of every step, by name.
        measures: points on held-out frames, each with its `step`.
    """

    step: int = 0
    losses: dict[str, list[float]] = field(default_factory=dict)
    measures: list[dict[str, float]] = field(default_factory=list)

    def point(self, begin: int, end: int) -> dict[str, float]:
        """A point of the learning curves: the step `end`, and the mean losses of the steps from `begin` on."""
        means = {name: sum(values[begin:end]) / (end - begin) for name, values in self.losses.items()}
        return {"step": end, **means}

    def curves(self, every: int) -> list[dict[str, float]]:
        """A point for every so many steps, and one at the end."""
        ends = [*range(every, self.step, every), self.step]
        return [self.point(begin, end) for begin, end in pairwise([0, *ends])]


def checkpoint_name(step: int) -> str:
    """The file name of the checkpoint after so many steps."""
    return f"checkpoint-{step:08d}.pt"


def checkpoint_files(folder: Path) -> Sequence[Path]:
    """The checkpoints in a folder, oldest first."""
    return sorted(folder.glob("checkpoint-*.pt"))


def diverged(step: int, losses: Mapping[str, float], folder: Path) -> str:
    """What is said of a loss that is no longer finite: the losses, and from where a training would go on."""
    saved = checkpoint_files(folder)
    good = f"the last good checkpoint is {saved[-1]}" if saved else "there is no checkpoint before it"
    shown = ", ".join(f"{name} {value}" for name, value in losses.items())
    return f"the loss is not finite at step {step} ({shown}); {good}: lower train.learning_rate or loss.lambda_style"


def save_checkpoint(folder: Path, progress: Progress, content: dict[str, Any]) -> None:
    """Write a checkpoint of tensors, numbers, strings and containers of them; older ones but the last are removed."""
    with atomic_path(folder / checkpoint_name(progress.step)) as path:
        losses = {name: torch.tensor(values, dtype=torch.float64) for name, values in progress.losses.items()}
        torch.save({**content, "step": progress.step, "losses": losses, "measures": progress.measures}, path)
    for old in checkpoint_files(folder)[:-KEPT]:
        old.unlink()


def load_newest(folder: Path) -> tuple[Progress, dict[str, Any]] | None:
    """The newest checkpoint that can be read, to the CPU; None where there is none."""
    for path in reversed(checkpoint_files(folder)):
        try:
            content = torch.load(path, map_location="cpu", weights_only=True)
            losses = {name: values.tolist() for name, values in content.pop("losses").items()}
            return Progress(content.pop("step"), losses, content.pop("measures")), content
        except Exception as error:  # a damaged file raises whatever its bytes lead to
            say(f"{path} can't be read ({' '.join(str(error).split())[:80]}): the one before it is taken")
    return None


def without_step(point: Mapping[str, float]) -> dict[str, float]:
    """The values of a point of the curves alone."""
    return {name: value for name, value in point.items() if name != "step"}
