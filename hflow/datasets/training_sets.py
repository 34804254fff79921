"""A training set by name: a small JSON file that lists its shards with their hashes.

A stage that trains on a set depends on this file alone, so it runs again when the set has changed and not when
another set of the same folder has.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hflow.foundation.atomic_files import write_json
from hflow.foundation.errors import HflowError
from hflow.foundation.json_files import read_json

__all__ = ["TrainingSet", "read_training_set", "write_training_set"]


@dataclass(frozen=True)
class TrainingSet:
    """The shards of a training set, in order, with their SHA-256."""

    name: str
    shards: Mapping[Path, str]

    @property
    def files(self) -> Sequence[Path]:
        return list(self.shards)


def write_training_set(path: Path, training_set: TrainingSet) -> None:
    """Write the set's description."""
    shards = [{"path": file.as_posix(), "sha256": sha256} for file, sha256 in training_set.shards.items()]
    write_json(path, {"name": training_set.name, "shards": shards})


def read_training_set(path: Path) -> TrainingSet:
    """Read a set's description.

    Raises:
        HflowError: the file is missing or is not such a description.
    """
    said = read_json(path, made_by="run the stage that makes this training set")
    try:
        return TrainingSet(said["name"], {Path(s["path"]): s["sha256"] for s in said["shards"]})
    except (KeyError, TypeError):
        raise HflowError(f"{path} is not the description of a training set: make it again") from None
