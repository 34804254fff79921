"""The benchmark measures the two things it names, and they agree."""

import pytest
import torch

from hflow.benchmarks.case import BenchmarkCase
from hflow.benchmarks.translation import _watched, benchmark, benchmark_others
from hflow.foundation.params import VARIANTS


def test_figures_of_a_small_frame():
    found = benchmark(BenchmarkCase((4,), size=(48, 32), batch=2, rounds=3))
    assert min(found.plain, found.translate, found.ratio, found.convolutions, found.copy) > 0
    assert 0 <= found.mean <= found.largest < 1
    assert found.macs[0] > found.macs[1] > 0


def test_it_counts_what_one_frame_costs():
    one, two = (benchmark(BenchmarkCase((4,), size=(48, 32), batch=b, rounds=1)) for b in (1, 2))
    assert one.macs == two.macs
    padded, couplings = (48 + 20) * (32 + 20), 9 * (3 * 6 + 6 * 6 + 6 * 12)
    linear = 8 * 36 + 36 * 36 + 36 * 24
    assert one.macs[0] - one.macs[1] == padded * couplings + linear


def test_others_are_timed_by_name():
    found = benchmark_others(BenchmarkCase((2,), size=(16, 16), rounds=1))
    assert len(found) == 4 + 2 * len(VARIANTS)
    assert min(found.values()) > 0


def test_what_the_memory_does_not_hold_is_told_from_a_fault() -> None:
    assert _watched(lambda: torch.empty(1 << 60), torch.device("cpu")) == (None, None)
    with pytest.raises(RuntimeError, match="size"):
        _watched(lambda: torch.zeros(2) + torch.zeros(3), torch.device("cpu"))
