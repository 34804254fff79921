"""On a GPU a training adds up in a fixed order: none of its operations is one of those that do not."""

from contextlib import nullcontext

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from hflow.foundation.params import LossParams
from hflow.model import HierarchyFlow
from hflow.model.training_network import TrainingNetwork
from hflow.training.encoder import Encoder
from hflow.training.objective import training_losses

UNORDERED = (
    *("reflection_pad", "replication_pad", "adaptive_avg_pool2d_backward", "adaptive_max_pool2d_backward"),
    *("upsample", "grid_sampler", "scatter_add", "scatter_reduce", "index_add", "index_put", "index_select_backward"),
    *("cumsum", "histc", "bincount", "kthvalue", "median", "put_", "nll_loss2d", "avg_pool3d", "max_pool3d"),
)
"""Of PyTorch's list, as torch.use_deterministic_algorithms has it, whose gradients or selves are in no fixed order."""


class _Names(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.called: set[str] = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        self.called.add(str(func))
        return func(*args, **(kwargs or {}))


def test_no_operation_of_a_training_step_adds_up_in_no_fixed_order(monkeypatch: pytest.MonkeyPatch) -> None:
    # Meta tensors take the ways of a GPU, and nothing is computed; autocast, off here, does not know them.
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())
    with torch.device("meta"):
        network, encoder = HierarchyFlow((2, 2)), Encoder((2, 2, 3, 1), shift_tolerant=True)
        content, style = torch.rand(2, 2, 3, 48, 64)
        loss = LossParams(colour=1.0, detail=1.0, bands=2)
        with _Names() as names:
            training_losses(TrainingNetwork(network), encoder, content, style, loss)["loss"].backward()
    assert any("convolution_backward" in name for name in names.called)
    found = {name for name in names.called if any(word in name for word in UNORDERED)}
    # Its gradient alone is unordered, and is our own.
    assert found <= {"aten.reflection_pad2d.default"}
