"""Scores are compared where all but their training sets is equal, and nowhere else."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hflow.foundation.atomic_files import write_json
from hflow.foundation.errors import HflowError
from hflow.segmentation.scores import (
    SegmenterScores,
    SelfTrained,
    check_comparable,
    differing_settings,
    parse_scores,
    read_scores,
)

PROTOCOL = {"steps": 3, "validation_sha256": "v", "classes": ["road"], "training_frames": 4, "size": [32, 16]}
SCORES = SegmenterScores("source", 0.3, 0.7, 0.5, {"road": 0.3}, {0: 0.2, 1: 0.4}, PROTOCOL, made_from={"code": "c"})
WRITTEN = {
    "train_on": "source",
    "mIoU": 0.3,
    "pxAcc": 0.7,
    "clsAcc": 0.5,
    "IoU": {"road": 0.3},
    "seeds": [{"seed": 0, "mIoU": 0.2}, {"seed": 1, "mIoU": 0.4}],
    "protocol": PROTOCOL,
    "made_from": {"code": "c"},
}


def test_what_the_stage_wrote_is_read(tmp_path: Path) -> None:
    write_json(tmp_path / "source.json", WRITTEN)
    assert read_scores(tmp_path / "source.json") == parse_scores(WRITTEN) == SCORES


@pytest.mark.parametrize("part", list(WRITTEN))
def test_a_part_that_is_missing_is_named(tmp_path: Path, part: str) -> None:
    write_json(tmp_path / "source.json", {name: value for name, value in WRITTEN.items() if name != part})
    with pytest.raises(HflowError, match=rf"source\.json lacks '{part}': run `hflow segment source` again"):
        read_scores(tmp_path / "source.json")


@given(st.integers(), st.lists(st.integers(16, 64), min_size=2, max_size=2))
def test_training_sets_may_differ_in_length_and_size(frames: int, size: list[int]) -> None:
    other = replace(SCORES, train_on="target", protocol=PROTOCOL | {"training_frames": frames, "size": size})
    check_comparable([SCORES, other])


@pytest.mark.parametrize(
    "change", [{"steps": 4}, {"validation_sha256": "w"}, {"classes": ["sky"]}, {"weights": "none"}]
)
def test_another_setting_is_named(change: dict[str, Any]) -> None:
    other = replace(SCORES, train_on="target", protocol=PROTOCOL | change)
    assert differing_settings(SCORES.settings, other.settings) == list(change)
    with pytest.raises(HflowError, match=f"source and target were scored with different {next(iter(change))}"):
        check_comparable([SCORES, other])


def test_scores_by_other_code_are_not_compared() -> None:
    with pytest.raises(HflowError, match="scored with different code"):
        check_comparable([SCORES, replace(SCORES, made_from={"code": "d"})])


def test_self_training_is_read_and_compared_with_its_own_kind() -> None:
    how = {"rounds": 1, "threshold": 0.9, "ema": 0.99}
    after = {"mIoU": 0.5, "labelled": 0.7, "seeds": [{"seed": 0, "mIoU": 0.5}], "protocol": how}
    after["photographs_sha256"] = "p"
    scores = parse_scores(WRITTEN | {"self_training": after})
    assert scores.self_trained == SelfTrained(0.5, {0: 0.5}, 0.7, how, "p")
    with pytest.raises(HflowError, match="scored with different self_training"):
        check_comparable([SCORES, scores])


def test_seeds_are_paired() -> None:
    assert differing_settings(SCORES.settings, replace(SCORES, miou_by_seed={0: 0.2, 2: 0.4}).settings) == ["seeds"]
    assert not differing_settings(SCORES.settings, replace(SCORES, miou_by_seed={1: 0.5, 0: 0.2}).settings)
