"""What goes to a worker."""

import torch

from hflow.translation import shard_task
from hflow.translation.shard_task import worker_marks

CPU = torch.device("cpu")


def test_all_of_a_worker_that_can_change_a_float_is_in_its_marks(monkeypatch):
    marks = [worker_marks(CPU, threads, precision) for threads in (1, 2) for precision in ("fp32", "bf16")]
    assert len(set(marks)) == 4
    assert [mark.threads for mark in marks] == [1, 1, 2, 2]
    monkeypatch.setattr(shard_task, "choose_backend", lambda *_: ("fp32", "plain"))
    assert worker_marks(CPU, 1, "fp32") not in marks
