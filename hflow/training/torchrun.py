"""A training whose processes torchrun has started, on this machine or on several."""

import os
from dataclasses import dataclass

from lightning.fabric.plugins.environments import TorchElasticEnvironment

__all__ = ["Torchrun", "find_torchrun"]


@dataclass(frozen=True)
class Torchrun:
    """What torchrun says of the processes.

    Attributes:
        processes: of all machines together.
        here: of this machine; as many on every other.
        number: of this process among all; the first, 0, writes.
    """

    processes: int
    here: int
    number: int

    @property
    def machines(self) -> int:
        return self.processes // self.here


def find_torchrun() -> Torchrun | None:
    """What torchrun says, where it has started this process."""
    if not TorchElasticEnvironment.detect():
        return None
    return Torchrun(*(int(os.environ[name]) for name in ("WORLD_SIZE", "LOCAL_WORLD_SIZE", "RANK")))
