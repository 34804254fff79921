"""A training set's description is of the shards that are there, or is not there; a sum is its parts and no more."""

from pathlib import Path

import pytest

from hflow.datasets.training_sets import (
    TrainingSet,
    read_current_set,
    read_training_set,
    replacing_sets,
    sum_of_sets,
)
from hflow.foundation.errors import HflowError

SOURCE, TARGET = TrainingSet("source", {Path("s/b"): "1", Path("s/a"): "0"}), TrainingSet("target", {Path("t/a"): "2"})
TRANSLATED = TrainingSet("translated", {Path("o/a"): "3"}, {"source": SOURCE.sha256, "model": "m"})
FDA = TrainingSet("fda", {Path("f/a"): "4"}, {"source": SOURCE.sha256, "target": TARGET.sha256})


def _describe(folder: Path, *sets: TrainingSet) -> None:
    with replacing_sets(folder, *sets):
        pass


@pytest.fixture
def sets(tmp_path: Path) -> Path:
    _describe(tmp_path, SOURCE, TARGET, TRANSLATED, FDA)
    return tmp_path


def test_what_is_described_is_read(sets: Path) -> None:
    assert read_training_set(sets / "translated.json") == TRANSLATED
    assert read_current_set(sets, "translated", model_sha256="m") == TRANSLATED


def test_whoever_comes_after_a_kill_between_data_and_description_finds_no_description(sets: Path) -> None:
    with pytest.raises(KeyboardInterrupt), replacing_sets(sets, SOURCE):
        raise KeyboardInterrupt
    with pytest.raises(HflowError, match=r"source\.json is missing"):
        read_training_set(sets / "source.json")


@pytest.mark.parametrize(
    ("name", "changed", "said"),
    [
        ("translated", "source", "translated was made from another source than there is now: run `hflow translate`"),
        ("fda", "target", "fda was made from another target than there is now: run `hflow baselines` again"),
        ("target+fda", "target", "fda was made from another target"),
        ("target+translated", "source", "translated was made from another source"),
    ],
)
def test_a_set_or_part_that_was_made_from_another_domain_is_named(
    sets: Path, name: str, changed: str, said: str
) -> None:
    _describe(sets, TrainingSet(changed, {Path("a"): "9"}))
    with pytest.raises(HflowError, match=said):
        read_current_set(sets, name, model_sha256="m")


@pytest.mark.parametrize("name", ["translated", "source+translated"])
def test_a_set_or_part_by_another_model_is_named(sets: Path, name: str) -> None:
    with pytest.raises(
        HflowError, match=r"translated was made from another model.*`hflow segment " + name.replace("+", r"\+")
    ):
        read_current_set(sets, name, model_sha256="n")


def test_a_sum_has_the_shards_of_its_parts_in_its_order_and_all_that_they_were_made_from(sets: Path) -> None:
    both = sum_of_sets(sets, "translated+source")
    assert both.name == "translated+source"
    assert list(both.shards.items()) == [*TRANSLATED.shards.items(), *SOURCE.shards.items()]
    assert both.made_from == {"source": SOURCE.sha256, "model": "m"}
    assert sum_of_sets(sets, "translated+target+fda").made_from == {**both.made_from, "target": TARGET.sha256}
    assert read_current_set(sets, "translated+source", model_sha256="m") == both
    assert sum_of_sets(sets, "source") == SOURCE


def test_a_sum_of_sets_that_were_made_from_different_things_is_refused(sets: Path) -> None:
    _describe(sets, TrainingSet("source", {Path("a"): "9"}))
    with pytest.raises(HflowError, match="not made from the same source"):
        sum_of_sets(sets, "source+translated")


def test_a_part_that_was_not_made_is_named(sets: Path) -> None:
    with pytest.raises(HflowError, match=r"gpa\.json"):
        sum_of_sets(sets, "source+gpa")


def test_where_the_shards_lie_is_not_in_the_hash() -> None:
    assert (
        TrainingSet("a", {Path("x"): "1", Path("y"): "2"}).sha256
        == TrainingSet("b", {Path("z"): "1", Path(): "2"}).sha256
    )
    assert TrainingSet("a", {Path("x"): "1", Path("y"): "2"}).sha256 != TrainingSet("a", {Path("y"): "2"}).sha256
