"""The benchmark measures the two things it names, and they agree."""

import torch

from hflow.benchmark import benchmark, benchmark_others, fresh, table


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
    lines = list(table([("a", (48, 32), 1, found), ("b", (96, 64), 4, None)]))
    assert len({line.count("|") for line in lines}) == 1
    assert lines[2].startswith("| a | 48x32 | 1 |")
    assert found.backend in lines[2]
    assert "out of memory" in lines[3]


def test_others_are_timed_by_name():
    found = benchmark_others(size=(16, 16), batch=1, rounds=1, device=torch.device("cpu"))
    assert len(found) == 2
    assert min(found.values()) > 0
