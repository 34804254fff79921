"""The network as training runs it: what `HierarchyFlow.forward` computes, with less memory moved, and with gradients.

Maps are channels last, statistics are those of `channel_statistics.py`. Under autocast the convolutions are in the
type that it names; statistics, sums and what the Style-Net asks for are float32.
"""

import torch
from torch import Tensor, nn

from hflow.model.channel_statistics import instance_norm, restyle
from hflow.model.coupling import Coupling
from hflow.model.hierarchy_flow import PADDING, HierarchyFlow
from hflow.model.saturation import returning_clamp
from hflow.model.training_convolution import convolve

__all__ = ["TrainingNetwork"]


class TrainingNetwork(nn.Module):
    """Called as the network is, it gives the same but for rounding; its parameters are the network's.

    The guided filter at the end of the network, where it has one, is left out: behind it the couplings would learn
    nothing against grain and halos, and what is left of them after the filter grows (tried).

    Args:
        network: the network to train.
        returning: whether the gradients of values beyond [0, 1] lead back; see `returning_clamp`.
    """

    def __init__(self, network: HierarchyFlow, *, returning: bool = False):
        super().__init__()
        self.network, self.returning = network, returning

    def forward(self, content: Tensor, style: Tensor) -> Tensor:
        """Corrected content, (B, 3, H, W), in the style of style, (B, 3, h, w): (B, 3, H, W). Images in [0, 1]."""
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
        for coupling, wanted, a in reversed(list(zip(couplings, statistics, kept, strict=True))):
            x = coupling.inverse(restyle(x, *wanted) if wanted else x, a)
        x = x[..., PADDING:-PADDING, PADDING:-PADDING]
        return returning_clamp(x) if self.returning else x.clamp(0, 1)


def _affine(coupling: Coupling, x: Tensor) -> Tensor:
    """What the Affine-Net makes of x, (B, C, H, W): a, (B, nC, H, W)."""
    first, second, last = (layer for layer in coupling.affine_net if isinstance(layer, nn.Conv2d))
    for layer in (first, second):
        x = instance_norm(convolve(layer, x)).relu_()
    return convolve(last, x).relu_()
