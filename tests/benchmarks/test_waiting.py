"""What a user waits for is measured as a shell runs it."""

from hflow.benchmarks.case import BenchmarkCase
from hflow.benchmarks.waiting import benchmark_waiting


def test_help_takes_less_than_a_translation_and_torch_is_what_is_waited_for() -> None:
    found = benchmark_waiting(BenchmarkCase((2,), (32, 24)))
    assert 0 < found.help < found.translate
    assert next(iter(found.imports)) == "torch"
    assert found.imports["torch"] < found.translate
