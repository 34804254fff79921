"""A training set's description is of the shards that are there, or is not there."""

from pathlib import Path

import pytest

from hflow.datasets.training_sets import TrainingSet, read_current_set, read_training_set, replacing_sets
from hflow.foundation.errors import HflowError

SOURCE, TARGET = TrainingSet("source", {Path("s/a"): "1"}), TrainingSet("target", {Path("t/a"): "2"})
MIXED = TrainingSet(
    "translated+target", {Path("o/a"): "3"}, {"source": SOURCE.sha256, "target": TARGET.sha256, "model": "m"}
)


def test_what_is_described_is_read(tmp_path: Path) -> None:
    with replacing_sets(tmp_path, SOURCE, TARGET, MIXED):
        pass
    assert read_training_set(tmp_path / "translated+target.json") == MIXED
    assert read_current_set(tmp_path, "translated+target", model_sha256="m") == MIXED


def test_whoever_comes_after_a_kill_between_data_and_description_finds_no_description(tmp_path: Path) -> None:
    with replacing_sets(tmp_path, SOURCE):
        pass
    with pytest.raises(KeyboardInterrupt), replacing_sets(tmp_path, SOURCE):
        raise KeyboardInterrupt
    with pytest.raises(HflowError, match=r"source\.json is missing"):
        read_training_set(tmp_path / "source.json")


@pytest.mark.parametrize("domain", ["source", "target"])
def test_a_set_that_was_made_from_another_domain_is_named(tmp_path: Path, domain: str) -> None:
    with replacing_sets(tmp_path, SOURCE, TARGET, MIXED, TrainingSet(domain, {Path("a"): "9"})):
        pass
    with pytest.raises(HflowError, match=f"made from another {domain} than there is now: run `hflow translate` again"):
        read_current_set(tmp_path, "translated+target", model_sha256="m")


def test_a_set_by_another_model_is_named(tmp_path: Path) -> None:
    with replacing_sets(tmp_path, SOURCE, TARGET, MIXED):
        pass
    with pytest.raises(HflowError, match="made from another model"):
        read_current_set(tmp_path, "translated+target", model_sha256="n")


def test_where_the_shards_lie_is_not_in_the_hash() -> None:
    assert (
        TrainingSet("a", {Path("x"): "1", Path("y"): "2"}).sha256
        == TrainingSet("b", {Path("z"): "1", Path(): "2"}).sha256
    )
    assert TrainingSet("a", {Path("x"): "1", Path("y"): "2"}).sha256 != TrainingSet("a", {Path("y"): "2"}).sha256
