"""`hflow bench --guide`: the guided filter beside the network, and its windows beside pooling."""

from hflow.benchmarks.case import BenchmarkCase
from hflow.benchmarks.guided_filter import benchmark_guided_filter


def test_every_part_is_timed() -> None:
    found = benchmark_guided_filter(BenchmarkCase((2,), (48, 32), rounds=1))
    assert len(found) == 4
    assert min(found.values()) > 0
