"""The benchmark measures the two things it names, and they agree."""

import time

import pytest
import torch

from hflow.benchmarks.translation import _watched, benchmark, benchmark_others, busy_clock, fresh, table


def test_figures_of_a_small_frame():
    found = benchmark((4,), size=(48, 32), batch=2, rounds=3, device=torch.device("cpu"))
    assert min(found.plain, found.translate, found.ratio, found.convolutions, found.copy) > 0
    assert 0 <= found.mean <= found.largest < 1
    assert found.macs[0] > found.macs[1] > 0


def test_it_counts_what_one_frame_costs():
    one, two = (benchmark((4,), size=(48, 32), batch=b, rounds=1, device=torch.device("cpu")) for b in (1, 2))
    assert one.macs == two.macs
    padded, couplings = (48 + 20) * (32 + 20), 9 * (3 * 6 + 6 * 6 + 6 * 12)
    linear = 8 * 36 + 36 * 36 + 36 * 24
    assert one.macs[0] - one.macs[1] == padded * couplings + linear


def test_a_table_has_a_row_for_all_that_was_tried():
    found = fresh((2,), size=(48, 32), batch=1, rounds=1, device=torch.device("cpu"))
    assert found is not None
    lines = list(table([("a", (48, 32), 1, found), ("b", (96, 64), 4, None)], [("other", (48, 32), 1, 0.5)]))
    assert len({line.count("|") for line in lines}) == 1
    assert lines[2].startswith("| other | 48x32 | 1 | 2 |")
    assert lines[3].startswith("| a | 48x32 | 1 |")
    assert found.backend in lines[3]
    assert "out of memory" in lines[4]


def test_others_are_timed_by_name():
    found = benchmark_others(size=(16, 16), batch=1, rounds=1, device=torch.device("cpu"))
    assert len(found) == 2
    assert min(found.values()) > 0


def test_processor_seconds_leave_the_number_of_threads_as_it_was() -> None:
    before = torch.get_num_threads()
    with busy_clock(True) as clock:
        assert torch.get_num_threads() == 1
        begin = clock()
        time.sleep(0.2)
        assert clock() - begin < 0.1
    assert torch.get_num_threads() == before
    with busy_clock(False) as clock:
        assert clock is time.perf_counter


def test_what_the_memory_does_not_hold_is_told_from_a_fault() -> None:
    assert _watched(lambda: torch.empty(1 << 60), torch.device("cpu")) == (None, None)
    with pytest.raises(RuntimeError, match="size"):
        _watched(lambda: torch.zeros(2) + torch.zeros(3), torch.device("cpu"))
