"""How much memory the tensors of translation and of training take, by calculation: nothing is computed or allocated.

Every operation is gone through with tensors that have a shape and no content, and what is alive at once is added up.
What cuDNN and the allocator take beside it, and what torch.compile saves, is not in it.
"""

import weakref
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter

from hflow.foundation.params import LossParams
from hflow.model import HierarchyFlow
from hflow.model.batch_transfer import BatchTransfer
from hflow.model.training_network import TrainingNetwork
from hflow.training.encoder import DEPTHS, Encoder
from hflow.training.objective import training_losses

__all__ = ["training_bytes", "translation_bytes"]


def translation_bytes(expansions: Sequence[int], size: tuple[int, int], batch: int, dtype: torch.dtype) -> int:
    """At the peak of translating a batch of frames of this size, (width, height), by the backend whole."""
    with FakeTensorMode(), _Alive() as alive, torch.inference_mode():
        network = BatchTransfer(HierarchyFlow(expansions), dtype)
        network(torch.empty(batch, 3, size[1], size[0]), torch.empty(batch, 8))
    return alive.peak


def training_bytes(expansions: Sequence[int], size: tuple[int, int], batch: int, dtype: torch.dtype) -> int:
    """At the peak of a training step on crops of this size, (width, height), Adam's moments and gradients included."""
    with FakeTensorMode(), _Alive() as alive:
        network, encoder = HierarchyFlow(expansions), Encoder(DEPTHS["vgg16"], shift_tolerant=True)
        for layer in encoder.stages.modules():
            for name, value in list(layer.named_parameters(recurse=False)):
                setattr(layer, name, nn.Parameter(torch.empty_like(value, dtype=dtype), requires_grad=False))
        kept = [torch.empty_like(p) for p in network.parameters() for _ in range(3)]
        content, style = (torch.empty(batch, 3, size[1], size[0]) for _ in range(2))
        with torch.autocast("cpu", dtype, enabled=dtype is not torch.float32):
            loss = training_losses(TrainingNetwork(network), encoder, content, style, LossParams())["loss"]
        loss.backward()
        del kept
    return alive.peak


class _Alive(TorchDispatchMode):
    """Adds up the bytes of the tensors that are alive."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.peak = 0
        self._known: weakref.WeakKeyDictionary[Any, int] = weakref.WeakKeyDictionary()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        for value in tree_iter(made):
            if isinstance(value, torch.Tensor):
                storage = value.untyped_storage()
                if storage not in self._known:
                    self._known[storage] = storage.nbytes()
                    self.now += storage.nbytes()
                    weakref.finalize(storage, self._freed, storage.nbytes())
        self.peak = max(self.peak, self.now)
        return made

    def _freed(self, size: int) -> None:
        self.now -= size
