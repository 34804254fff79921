"""Scores that are of the data and the model as they are, and not of what was there before."""

from collections.abc import Sequence
from pathlib import Path

from hflow.datasets.shard_records import shard_hashes
from hflow.datasets.shards import shard_files
from hflow.datasets.training_sets import read_current_set, set_sha256
from hflow.foundation.errors import HflowError
from hflow.foundation.hashes import fingerprint
from hflow.segmentation.scores import SegmenterScores, read_scores

__all__ = ["read_current_scores"]


def read_current_scores(
    folder: Path, train_on: Sequence[str], *, sets: Path, prepared: Path, model_sha256: str
) -> dict[str, SegmenterScores]:
    """Read the scores of training sets, by name, and see that they are of these sets and of this validation set.

    Args:
        folder: that of the scores, NAME.json.
        train_on: the names.
        sets: the folder of the training sets' descriptions.
        prepared: the folder that prepare wrote, with the target's validation set.
        model_sha256: of the model that is to have translated.

    Raises:
        HflowError: a file is missing or damaged, a set was made from something else than is there, or scores are of
            another set of this name, of another validation set or of other photographs.
    """
    scores = {name: read_scores(folder / f"{name}.json") for name in train_on}
    validation = fingerprint(shard_hashes(shard_files(prepared / "target" / "val"))) if scores else ""
    for name, score in scores.items():
        training_set = read_current_set(sets, name, model_sha256=model_sha256)
        now = {"training set": training_set.sha256, "validation set": validation}
        then = {
            "training set": score.made_from.get("training_set"),
            "validation set": score.protocol.get("validation_sha256"),
        }
        if score.self_trained:
            now["set of photographs"] = set_sha256(shard_hashes(shard_files(prepared / "target" / "train")))
            then["set of photographs"] = score.self_trained.photographs_sha256
        other = [what for what in now if now[what] != then[what]]
        if other:
            raise HflowError(
                f"{folder / f'{name}.json'} holds scores of another {' and another '.join(other)} than there is now: "
                f"run `hflow segment {name}` again"
            )
    return scores
