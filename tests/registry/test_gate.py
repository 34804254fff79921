"""The gate: which condition fails, by how much, and that only like is compared with like."""

from dataclasses import replace
from typing import Any

import pytest

from hflow.foundation.params import ReleaseParams
from hflow.registry.gate import Condition, Figures, judge

PROTOCOL = {"steps": 3, "seeds": [0], "validation_sha256": "v", "classes": ["road", "sky"], "training_frames": 4}
GATE = ReleaseParams(margin=0.01, tolerance=0.02, min_ssim=0.5)
GOOD = Figures(
    miou={"source": 0.30, "translated": 0.40},
    protocols={"source": PROTOCOL, "translated": PROTOCOL},
    ssim=0.9,
    given=10,
    translated=9,
    rejected=1,
    model_sha256="m",
    made_from={"source": {"code": "c"}, "translated": {"code": "c"}},
)


def _scored(translated: float, **protocol: Any) -> Figures:
    changed = {**PROTOCOL, **protocol}
    miou = {**GOOD.miou, "translated": translated}
    return replace(GOOD, miou=miou, protocols={"source": changed, "translated": changed})


def _failed(conditions: list[Condition]) -> dict[str, str]:
    return {c.name: c.text for c in conditions if not c.holds}


def test_a_good_model_passes_with_and_without_a_champion() -> None:
    assert not _failed(judge(GOOD, None, GATE))
    assert not _failed(judge(GOOD, GOOD, GATE))


@pytest.mark.parametrize(("score", "passes"), [(0.31, True), (0.3099, False)])
def test_the_raw_frames_and_the_margin_are_reached(score: float, passes: bool) -> None:
    assert (not _failed(judge(_scored(score), None, GATE))) is passes


@pytest.mark.parametrize(("score", "passes"), [(0.38, True), (0.3799, False)])
def test_the_champion_less_the_tolerance_is_reached(score: float, passes: bool) -> None:
    assert (not _failed(judge(_scored(score), GOOD, GATE))) is passes


def test_a_failed_condition_says_by_how_much() -> None:
    failed = _failed(judge(_scored(0.25), GOOD, GATE))
    assert failed.keys() == {"raw frames", "champion"}
    assert "0.0600 short" in failed["raw frames"]
    assert "0.1300 short" in failed["champion"]


def test_similarity_has_a_floor() -> None:
    assert "0.1000 short" in _failed(judge(replace(GOOD, ssim=0.4), None, GATE))["similarity"]


def test_no_frame_may_be_lost() -> None:
    assert "2 lost" in _failed(judge(replace(GOOD, translated=7), None, GATE))["frames"]


@pytest.mark.parametrize("change", [{"steps": 4}, {"validation_sha256": "w"}, {"seeds": [0, 1]}, {"classes": ["road"]}])
def test_a_champion_of_another_protocol_or_other_data_is_not_compared(change: dict[str, Any]) -> None:
    failed = _failed(judge(_scored(0.9, **change), GOOD, GATE))
    assert next(iter(change)) in failed["champion"]
    assert not _failed(judge(_scored(0.9, **change), GOOD, GATE, replace=True))


def test_more_training_frames_are_no_other_protocol() -> None:
    assert not _failed(judge(_scored(0.4, training_frames=99), GOOD, GATE))


def test_raw_frames_of_another_protocol_are_not_compared() -> None:
    figures = replace(GOOD, protocols={"source": {**PROTOCOL, "steps": 9}, "translated": PROTOCOL})
    assert "steps" in _failed(judge(figures, None, GATE))["raw frames"]


def test_scores_of_one_model_by_different_code_are_not_compared_and_a_champion_of_another_is_marked() -> None:
    code = {"source": {"code": "c"}, "translated": {"code": "d"}}
    assert "different code" in _failed(judge(replace(GOOD, made_from=code), None, GATE))["raw frames"]
    (condition,) = (c for c in judge(GOOD, replace(GOOD, made_from={}), GATE) if c.name == "champion")
    assert condition.holds
    assert "scored by other code" in condition.text


def test_without_a_score_the_gate_is_closed() -> None:
    assert "segment.train_on" in _failed(judge(replace(GOOD, miou={}, protocols={}), None, GATE))["raw frames"]


def test_figures_survive_the_registry() -> None:
    assert Figures.from_json(GOOD.as_json()) == GOOD
