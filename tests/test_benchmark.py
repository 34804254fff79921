"""The benchmark measures the two things it names, and they agree."""

import torch

from hflow.benchmark import benchmark


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
