"""The clock of a busy machine counts the seconds of one thread."""

import time

import torch

from hflow.benchmarks.case import busy_clock


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
