"""`BatchTransfer` by torch.compile, a graph for each shape of a batch.

Left to itself, torch.compile makes its first graph for the first shape and a general one for what comes later, so that
the last bits of a frame would depend on the batches before it.
"""

import torch
from torch import Tensor

from hflow.model.batch_transfer import BatchTransfer

__all__ = ["MOST_SIZES", "CompiledTransfer"]

MOST_SIZES = 8
"""Sizes of frames for which graphs are worth their making, which takes up to a minute each."""

MOST_GRAPHS = 256
"""Beyond its own limit of 8 torch.compile would run uncompiled."""


class CompiledTransfer:
    """Translates as `BatchTransfer` does, but for rounding; which graph a batch runs through, its shape alone says.

    Batches are filled up to a power of two, so that there are few graphs. Inductor is told to choose nothing by timing
    that changes a bit.
    """

    def __init__(self, whole: BatchTransfer):
        self._compiled = torch.compile(whole, dynamic=False, options={"deterministic": True})

    def __call__(self, content: Tensor, code: Tensor) -> Tensor:
        """Translate content, (B, 3, H, W), in the styles of the codes, (B, 8); gives (B, 3, H, W). Images in [0, 1]."""
        count = len(content)
        content, code = filled_up(content), filled_up(code)
        with torch._dynamo.config.patch(recompile_limit=MOST_GRAPHS):
            images: Tensor = self._compiled(content, code)
        return images[:count]


def filled_up(batch: Tensor) -> Tensor:
    """(B, ...), the last repeated until B is a power of two."""
    missing = (1 << (len(batch) - 1).bit_length()) - len(batch)
    return torch.cat([batch, batch[-1:].expand(missing, *batch.shape[1:])]) if missing else batch
