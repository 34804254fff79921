"""The stages and the whole are timed on the same frames."""

from hflow.benchmarks.case import BenchmarkCase
from hflow.benchmarks.translation_stages import benchmark_stages


def test_every_stage_takes_time_and_the_share_is_of_the_slowest() -> None:
    found = benchmark_stages(BenchmarkCase((2,), size=(48, 32), batch=2), frames=3)
    assert min(found.decode, found.network, found.encode, found.whole) > 0
    assert found.share == max(found.decode, found.network, found.encode) / found.whole
