"""What a training takes beside its steps is measured part by part."""

import pytest

from hflow.benchmarks.case import BenchmarkCase
from hflow.benchmarks.preparation import STEPS, benchmark_preparation


def test_every_part_takes_time_and_the_share_is_of_the_steps() -> None:
    found = benchmark_preparation(BenchmarkCase((2,), (32, 32), rounds=1))
    assert all(seconds > 0 for seconds in found.parts.values())
    assert {"fit", "style bank", "camera"} <= found.parts.keys()
    assert found.share * STEPS * found.step == pytest.approx(sum(found.parts.values()))
