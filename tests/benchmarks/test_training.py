"""The two steps that are timed are the same step."""

import pytest

from hflow.benchmarks.case import BenchmarkCase
from hflow.benchmarks.training import benchmark_training


@pytest.mark.parametrize("batch", [1, 3])
def test_both_steps_have_the_same_loss_from_step_to_step(batch: int) -> None:
    found = benchmark_training(BenchmarkCase((2,), size=(32, 24), batch=batch, rounds=3, precision="fp32"))
    assert min(found.plain, found.train, found.ratio) > 0
    assert len({plain for plain, _, _ in found.losses}) == 4
    for plain, rounded, ours in found.losses:
        assert ours == pytest.approx(plain, rel=1e-3)
        assert rounded != plain
        assert rounded == pytest.approx(plain, rel=0.1)
