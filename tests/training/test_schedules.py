"""What changes from step to step."""

import pytest

from hflow.foundation.params import LossParams, TrainParams
from hflow.training.schedules import learning_rate, loss_at


def test_the_share_of_aligned_channels_falls_from_all_to_k() -> None:
    loss = LossParams(k=0.8, k_fall=10)
    assert [loss_at(loss, step).k for step in (0, 5, 10, 100)] == pytest.approx([1.0, 0.9, 0.8, 0.8])
    assert loss_at(LossParams(k=0.8), 0).k == 0.8


def test_the_learning_rate_rises_and_then_falls_to_zero() -> None:
    params = TrainParams(steps=100, learning_rate=0.1, rise=9)
    rates = [learning_rate(params, step) for step in range(100)]
    assert rates[0] == pytest.approx(0.01)
    assert max(rates) == rates[9]
    assert rates[-1] < 1e-4
    assert learning_rate(TrainParams(steps=100, learning_rate=0.1), 0) == 0.1
