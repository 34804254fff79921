"""Checkpoints of a training: whole or absent, the newest two kept."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from hflow.foundation.atomic_files import atomic_path
from hflow.foundation.progress import say

__all__ = ["Progress", "checkpoint_files", "load_newest", "save_checkpoint"]

KEPT = 2


@dataclass
class Progress:
    """How far a training is.

    Attributes:
        step: how many steps are done.
        history: a row of mean losses for every so many steps.
        sums: of the losses since the last row of history, and their count.
    """

    step: int = 0
    history: list[dict[str, float]] = field(default_factory=list)
    sums: dict[str, float] = field(default_factory=dict)


def checkpoint_files(folder: Path) -> Sequence[Path]:
    """The checkpoints in a folder, oldest first."""
    return sorted(folder.glob("checkpoint-*.pt"))


def save_checkpoint(folder: Path, progress: Progress, content: dict[str, Any]) -> None:
    """Write a checkpoint of tensors, numbers, strings and containers of them; older ones but the last are removed."""
    with atomic_path(folder / f"checkpoint-{progress.step:08d}.pt") as path:
        torch.save({**content, "progress": asdict(progress)}, path)
    for old in checkpoint_files(folder)[:-KEPT]:
        old.unlink()


def load_newest(folder: Path) -> tuple[Progress, dict[str, Any]] | None:
    """The newest checkpoint that can be read, to the CPU; None where there is none."""
    for path in reversed(checkpoint_files(folder)):
        try:
            content = torch.load(path, map_location="cpu", weights_only=True)
            return Progress(**content.pop("progress")), content
        except Exception as error:  # a damaged file raises whatever its bytes lead to
            say(f"{path} can't be read ({' '.join(str(error).split())[:80]}): the one before it is taken")
    return None
