"""The gain is that of its definition, with Student's interval."""

import random

import pytest

from hflow.metrics.paired_gain import paired_gain


def test_the_gain_is_the_mean_difference_with_students_interval() -> None:
    gain = paired_gain({0: 0.30, 1: 0.20}, {0: 0.40, 1: 0.34})
    assert gain.miou == pytest.approx(0.12)
    assert gain.seeds == 2
    # The differences 0.10 and 0.14: 12.7062 standard errors of 0.02 on both sides of their mean.
    assert gain.interval == pytest.approx((0.12 - 0.254124, 0.12 + 0.254124), abs=1e-6)


def test_one_seed_has_no_interval() -> None:
    gain = paired_gain({3: 0.3}, {3: 0.25})
    assert (gain.miou, gain.seeds, gain.interval) == (pytest.approx(-0.05), 1, None)


def test_runs_are_paired_by_seed_and_not_by_order() -> None:
    gain = paired_gain({0: 0.1, 1: 0.2, 2: 0.3}, {2: 0.35, 0: 0.15, 1: 0.25})
    # The same gain in each pair: no doubt is left, however far the seeds lie apart.
    assert gain.interval == pytest.approx((0.05, 0.05))


@pytest.mark.parametrize("seeds", [2, 3, 5, 12, 21, 30])
def test_the_interval_holds_the_truth_19_times_in_20(seeds: int) -> None:
    draw = random.Random(seeds)
    held, trials = 0, 4000
    for _ in range(trials):
        before = {seed: draw.gauss(0.3, 0.1) for seed in range(seeds)}
        interval = paired_gain(before, {seed: value + draw.gauss(0.1, 0.02) for seed, value in before.items()}).interval
        assert interval is not None
        held += interval[0] <= 0.1 <= interval[1]
    # Four standard errors of a share among 4000 are 0.014.
    assert held / trials == pytest.approx(0.95, abs=0.014)
