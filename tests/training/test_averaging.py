"""The running average of the weights: what is published, and the same after a stop."""

from pathlib import Path

import pytest
import torch

from hflow.model import HierarchyFlow
from hflow.training.averaging import WeightAverage
from tests.conftest import Project
from tests.training.test_held_out import Listener, _weights


def test_each_step_keeps_its_share_of_the_average() -> None:
    network = HierarchyFlow((2,))
    average = WeightAverage(network, 0.9)
    for value in (1.0, 2.0):
        for weight in network.parameters():
            torch.nn.init.constant_(weight, value)
        average.update()
    assert all(torch.allclose(w, torch.tensor(1.1)) for w in average.network.parameters())
    assert all((w == 2).all() for w in network.parameters())


def test_without_an_average_the_network_itself_is_shown() -> None:
    network = HierarchyFlow((2,))
    average = WeightAverage(network, 0.0)
    average.update()
    assert average.network is network
    assert average.state is None


def test_the_average_is_what_is_published_and_is_the_same_after_a_stop(project: Project, tmp_path: Path) -> None:
    options = {"steps": 8, "checkpoint_every": 3, "log_every": 1, "average": 0.5}
    project.train(tmp_path / "whole", **options)
    project.train(tmp_path / "last", **{**options, "average": 0.0})
    assert _weights(tmp_path / "whole") != _weights(tmp_path / "last")
    with pytest.raises(KeyboardInterrupt):
        project.train(tmp_path / "stopped", logger=Listener(stop=7), **options)
    project.train(tmp_path / "stopped", **options)
    assert _weights(tmp_path / "stopped") == _weights(tmp_path / "whole")
