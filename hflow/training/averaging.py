"""The running average of a network's weights over the steps of its training."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from hflow.model import HierarchyFlow

__all__ = ["WeightAverage"]


class WeightAverage:
    """Exponential: each step keeps `decay` of it and takes the rest from the weights as they are.

    Args:
        network: whose weights are averaged; the first step's are where the average begins.
        decay: in [0, 1); 0 averages nothing.
        saved: what `state` gave, to go on from.
    """

    def __init__(self, network: HierarchyFlow, decay: float, saved: Mapping[str, Tensor] | None = None):
        self._network = network
        self._average = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(decay)) if decay else None
        if self._average and saved:
            self._average.load_state_dict(dict(saved))

    @property
    def network(self) -> HierarchyFlow:
        """The network with the average as its weights; the network itself where nothing is averaged."""
        if self._average is None:
            return self._network
        averaged = self._average.module
        assert isinstance(averaged, HierarchyFlow)
        return averaged

    @property
    def state(self) -> dict[str, Any] | None:
        """What a checkpoint keeps; None where nothing is averaged."""
        return self._average.state_dict() if self._average else None

    def update(self) -> None:
        """Take in the network's weights, after a step."""
        if self._average:
            self._average.update_parameters(self._network)
