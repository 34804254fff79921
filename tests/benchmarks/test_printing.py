"""A table has a row for all that was tried."""

from hflow.benchmarks.case import BenchmarkCase
from hflow.benchmarks.printing import table_lines
from hflow.benchmarks.translation import benchmark_alone


def test_a_table_has_a_row_for_all_that_was_tried():
    found = benchmark_alone(BenchmarkCase((2,), size=(48, 32), rounds=1))
    assert found is not None
    lines = list(table_lines([("a", (48, 32), 1, found), ("b", (96, 64), 4, None)], [("other", (48, 32), 1, 0.5)]))
    assert len({line.count("|") for line in lines}) == 1
    assert lines[2].startswith("| other | 48x32 | 1 | 2 |")
    assert lines[3].startswith("| a | 48x32 | 1 |")
    assert found.backend in lines[3]
    assert "out of memory" in lines[4]
