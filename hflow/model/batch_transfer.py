"""The network on whole batches with its sums folded, for GPUs: `torch.compile` fuses what lies between convolutions.

The equations are those of `strip_transfer.py`; here nothing is cut and nothing is kept between calls.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hflow.model.adain import adain_as_affine
from hflow.model.coupling import Coupling
from hflow.model.hierarchy_flow import PADDING, HierarchyFlow, Statistics

__all__ = ["BatchTransfer"]


class BatchTransfer(nn.Module):
    """Translates as `network.transfer` does, but for rounding.

    Args:
        network: the network, in float32, on its device.
        dtype: of the Affine-Nets' convolutions, float32 or bfloat16. The rest, statistics with it, is float32.
    """

    def __init__(self, network: HierarchyFlow, dtype: torch.dtype = torch.float32):
        super().__init__()
        self.network, self.dtype = network, dtype

    def forward(self, content: Tensor, code: Tensor) -> Tensor:
        """Translate corrected content, (B, 3, H, W), in the styles of the codes, (B, 8); gives (B, 3, H, W), in [0, 1].

        Raises:
            ValueError: the content is not of this shape, or too small to be reflected.
        """
        x = self.network.pad(content).contiguous(memory_format=torch.channels_last)  # (B, 3, H + 20, W + 20)
        couplings = [coupling for coupling in self.network.couplings if isinstance(coupling, Coupling)]
        statistics = self.network.statistics(code)
        kept = []
        for coupling in couplings[:-1]:
            a = self._affine(coupling, x)  # (B, nC, H + 20, W + 20)
            maps = []
            for part in a.chunk(coupling.expansion, dim=1):
                x = x - part
                maps.append(x)
            kept.append(a)
            x = torch.cat(maps, dim=1)
        innermost = statistics[-1]
        assert innermost is not None
        x = _innermost(couplings[-1], x, self._affine(couplings[-1], x), *innermost)
        outer = zip(couplings[:-1], statistics[:-1], kept, strict=True)
        for coupling, wanted, a in reversed(list(outer)):
            x = _invert(coupling, x, a, wanted)
        return x[..., PADDING:-PADDING, PADDING:-PADDING].clamp(0, 1)

    def _affine(self, coupling: Coupling, x: Tensor) -> Tensor:
        """What the Affine-Net makes of x, (B, C, H, W): a, (B, nC, H, W)."""
        first, second, last = (layer for layer in coupling.affine_net if isinstance(layer, nn.Conv2d))
        z = x.to(self.dtype)
        for layer in (first, second):  # InstanceNorm takes their biases away.
            z = F.conv2d(z, layer.weight.to(self.dtype, memory_format=torch.channels_last), padding=1).float()
            variance, mean = torch.var_mean(z, dim=(2, 3), keepdim=True, correction=0)
            z = ((z - mean) * torch.rsqrt(variance + 1e-5)).relu().to(self.dtype)
        assert last.bias is not None
        weight = last.weight.to(self.dtype, memory_format=torch.channels_last)
        return F.conv2d(z, weight, last.bias.to(self.dtype), padding=1).relu().float()


def _innermost(coupling: Coupling, x: Tensor, a: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """The innermost coupling forwards and back: (B, C, H, W), as a sum over x and a alone."""
    weights, parts = coupling.fusion_weights(), a.chunk(coupling.expansion, dim=1)
    of_a = [torch.zeros_like(mean[:, : x.shape[1], None, None]) for _ in parts]
    h, of_x, constant = x, torch.zeros_like(of_a[0]), torch.zeros_like(of_a[0])
    statistics = zip(mean.chunk(len(parts), dim=1), std.chunk(len(parts), dim=1), strict=True)
    for i, (weight, part, (wanted_mean, wanted_std)) in enumerate(zip(weights, parts, statistics, strict=True)):
        h = h - part
        gain, offset = _adain(h, wanted_mean, wanted_std)  # (B, C, 1, 1)
        of_x = of_x + weight * gain
        constant = constant + weight * offset
        of_a = [factor - weight * gain if j <= i else factor for j, factor in enumerate(of_a)]
    total = x * of_x + constant
    for weight, part, factor in zip(weights, parts, of_a, strict=True):
        total = total + part * (factor + weight)
    return total


def _invert(coupling: Coupling, y: Tensor, a: Tensor, wanted: Statistics | None) -> Tensor:
    """Algorithm 2: x, (B, C, H, W), from y and a, (B, nC, H, W)."""
    if wanted is not None:
        gain, offset = _adain(y, *wanted)
        y = y * gain + offset
    sums = (y + a).chunk(coupling.expansion, dim=1)
    return torch.stack([weight * part for weight, part in zip(coupling.fusion_weights(), sums, strict=True)]).sum(0)


def _adain(y: Tensor, mean: Tensor, std: Tensor) -> tuple[Tensor, Tensor]:
    """AdaIN of y, (B, C, H, W), as gain and offset, (B, C, 1, 1)."""
    variance, centre = torch.var_mean(y, dim=(2, 3), keepdim=True, correction=1)
    return adain_as_affine(centre, variance, mean, std)
