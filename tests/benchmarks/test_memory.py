"""Memory by calculation agrees with what was measured, and grows with what is computed."""

import pytest
import torch

from hflow.benchmarks.memory import training_bytes, translation_bytes


def test_a_training_step_takes_what_was_measured_of_a_process() -> None:
    """On a CPU, from before the step to its peak: 0.85 GB at 512x256 in bfloat16."""
    assert training_bytes((10, 4), (512, 256), 1, torch.bfloat16) == pytest.approx(0.85e9, rel=0.1)


def test_twice_the_frames_take_twice_the_memory() -> None:
    one, two = (translation_bytes((2,), (64, 32), batch, torch.float32) for batch in (1, 2))
    weights = 4 * 668_833  # of the whole network
    assert two - weights == pytest.approx(2 * (one - weights), rel=0.05)
