"""The network as training runs it: what `HierarchyFlow.forward` computes, with less memory moved, and with gradients.

Maps are channels last, statistics are those of `channel_statistics.py`. Under autocast the convolutions are in the
type that it names; statistics, sums and what the Style-Net asks for are float32.
"""

import torch
from torch import Tensor, nn

from hflow.model.channel_statistics import instance_norm, restyle
from hflow.model.coupling import Coupling
from hflow.model.hierarchy_flow import PADDING, HierarchyFlow

__all__ = ["TrainingNetwork"]


class TrainingNetwork(nn.Module):
    """Called as the network is, it gives the same but for rounding; its parameters are the network's.

    Args:
        network: the network to train.
    """

    def __init__(self, network: HierarchyFlow):
        super().__init__()
        self.network = network

    def forward(self, content: Tensor, style: Tensor) -> Tensor:
        """Content, (B, 3, H, W), in the style of style, (B, 3, h, w): (B, 3, H, W). Images in [0, 1]."""
        network = self.network
        code = network.encode_style(style.contiguous(memory_format=torch.channels_last))  # (B, 8)
        with torch.autocast(content.device.type, enabled=False):
            statistics = network.statistics(code.float())
        couplings = [coupling for coupling in network.couplings if isinstance(coupling, Coupling)]
        x = network.pad(content).contiguous(memory_format=torch.channels_last)  # (B, 3, H + 20, W + 20)
        kept = []
        for coupling in couplings:
            a = _affine(coupling, x)  # (B, nC, H + 20, W + 20)
            x = coupling.intermediate(x, a)
            kept.append(a)
        for coupling, (mean, std), a in reversed(list(zip(couplings, statistics, kept, strict=True))):
            x = coupling.inverse(restyle(x, mean, std), a)
        return x[..., PADDING:-PADDING, PADDING:-PADDING].clamp(0, 1)


def _affine(coupling: Coupling, x: Tensor) -> Tensor:
    """What the Affine-Net makes of x, (B, C, H, W): a, (B, nC, H, W)."""
    first, second, last = (layer for layer in coupling.affine_net if isinstance(layer, nn.Conv2d))
    for layer in (first, second):
        x = instance_norm(layer(x)).relu_()
    return last(x).relu_()
