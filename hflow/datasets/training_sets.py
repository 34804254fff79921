"""A training set by name: a small JSON file that lists its shards with their hashes, and says what they were made from.

A stage that trains on a set depends on this file alone, so it runs again when the set has changed and not when
another set of the same folder has.
"""

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hflow.foundation.atomic_files import write_json
from hflow.foundation.errors import HflowError
from hflow.foundation.hashes import fingerprint
from hflow.foundation.json_files import read_json
from hflow.foundation.params import BASELINES

__all__ = [
    "TrainingSet",
    "baselines_in",
    "parts_of",
    "read_current_set",
    "read_training_set",
    "replacing_sets",
    "set_sha256",
    "sum_of_sets",
]

DOMAINS = ("source", "target")


@dataclass(frozen=True)
class TrainingSet:
    """The shards of a training set, in order, with their SHA-256.

    Attributes:
        made_from: hashes, by "source" and "target" of these training sets, by "model" of the model that translated;
            empty for a domain itself.
    """

    name: str
    shards: Mapping[Path, str]
    made_from: Mapping[str, str] = field(default_factory=dict)

    @property
    def files(self) -> Sequence[Path]:
        return list(self.shards)

    @property
    def sha256(self) -> str:
        """Of the bytes of all shards, wherever they lie."""
        return set_sha256(self.shards.values())


def set_sha256(shards: Iterable[str]) -> str:
    """A hash of a training set by the SHA-256 of its shards, in order."""
    return fingerprint(list(shards))


@contextlib.contextmanager
def replacing_sets(folder: Path, *training_sets: TrainingSet) -> Iterator[None]:
    """Write the sets' descriptions, folder/NAME.json, behind the block that replaces their shards.

    There is none meanwhile: whoever comes after a kill finds no description that is not of the shards.
    """
    for training_set in training_sets:
        (folder / f"{training_set.name}.json").unlink(missing_ok=True)
    yield
    for training_set in training_sets:
        shards = [{"path": file.as_posix(), "sha256": sha256} for file, sha256 in training_set.shards.items()]
        said = {"name": training_set.name, "shards": shards, "made_from": dict(training_set.made_from)}
        write_json(folder / f"{training_set.name}.json", said)


def read_training_set(path: Path) -> TrainingSet:
    """Read a set's description.

    Raises:
        HflowError: the file is missing or is not such a description.
    """
    said = read_json(path, made_by="run the stage that makes this training set")
    try:
        shards = {Path(s["path"]): s["sha256"] for s in said["shards"]}
        return TrainingSet(said["name"], shards, dict(said["made_from"]))
    except (KeyError, TypeError, ValueError):
        raise HflowError(f"{path} is not the description of a training set: make it again") from None


def parts_of(name: str) -> tuple[str, ...]:
    """The sets that a set's name joins with `+`; of a set by itself, its name."""
    return tuple(name.split("+"))


def baselines_in(names: Iterable[str]) -> list[str]:
    """The baselines among the parts of sets' names, each once, in the order of `BASELINES`."""
    parts = {part for name in names for part in parts_of(name)}
    return [name for name in BASELINES if name in parts]


def sum_of_sets(folder: Path, name: str) -> TrainingSet:
    """The shards of all the sets that a name joins with `+`, in its order, and what all of them were made from.

    Args:
        folder: has the description of each of those sets.
        name: such as `translated` or `source+translated`.

    Raises:
        HflowError: a description is missing or damaged, or two of the sets were made from different things.
    """
    sets = [read_training_set(folder / f"{part}.json") for part in parts_of(name)]
    if len(sets) == 1:
        return sets[0]
    made_from: dict[str, str] = {}
    for one in sets:
        for what, sha256 in ({one.name: one.sha256} if one.name in DOMAINS else one.made_from).items():
            if made_from.setdefault(what, sha256) != sha256:
                raise HflowError(
                    f"the parts of the training set {name} were not made from the same {what}: run the stages that "
                    "make them again"
                )
    return TrainingSet(name, {path: sha256 for one in sets for path, sha256 in one.shards.items()}, made_from)


def read_current_set(folder: Path, name: str, *, model_sha256: str) -> TrainingSet:
    """Read a set, or a sum of sets, whose parts were made from the domains as they are, and by this model.

    Args:
        folder: has the description of each part.
        model_sha256: of the model that is to have translated it, where it is translated.

    Raises:
        HflowError: a part was made from others, or a description is missing or damaged.
    """
    for part in parts_of(name):
        made_from = read_training_set(folder / f"{part}.json").made_from
        now = {domain: read_training_set(folder / f"{domain}.json").sha256 for domain in DOMAINS if domain in made_from}
        now["model"] = model_sha256
        other = [what for what, sha256 in made_from.items() if now.get(what) != sha256]
        if other:
            again = "translate" if "model" in made_from else "baselines"
            raise HflowError(
                f"the training set {part} was made from another {' and another '.join(other)} than there is now: "
                f"run `hflow {again}` again, and `hflow segment {name}` where it is scored"
            )
    return sum_of_sets(folder, name)
