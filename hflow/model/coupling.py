"""The hierarchical coupling layer (paper, section 3.2.1, algorithms 1 and 2)."""

import torch
from torch import Tensor, nn

from hflow.model.adain import adain

__all__ = ["Coupling"]


class Coupling(nn.Module):
    """One reversible step: C channels become n C, each the input less one more part of what the Affine-Net made of it.

    Args:
        channels: C.
        expansion: n, at least 2.
    """

    def __init__(self, channels: int, expansion: int):
        super().__init__()
        self.expansion = expansion
        self.affine_net = nn.Sequential(
            nn.Conv2d(channels, 2 * channels, 3, padding=1),
            nn.InstanceNorm2d(2 * channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(2 * channels, 2 * channels, 3, padding=1),
            nn.InstanceNorm2d(2 * channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(2 * channels, expansion * channels, 3, padding=1),
            nn.ReLU(inplace=True),
        )
        self.fusion = nn.Parameter(torch.full((expansion - 1,), 0.5))  # alpha_1 ... alpha_(n-1)

    @torch.no_grad()
    def start_small(self) -> None:
        """Begin with parts a_i of a tenth of their usual size, so that the inverse takes little away."""
        last = self.affine_net[-2]
        assert isinstance(last, nn.Conv2d)
        last.weight.mul_(0.1)
        assert last.bias is not None
        last.bias.mul_(0.1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Algorithm 1.

        Args:
            x: (B, C, H, W).

        Returns:
            y: (B, n C, H, W), the intermediate maps h_1 ... h_n.
            a: (B, n C, H, W), what `inverse` needs besides y.
        """
        a = self.affine_net(x)  # (B, nC, H, W)
        return self.intermediate(x, a), a

    def intermediate(self, x: Tensor, a: Tensor) -> Tensor:
        """h_1 ... h_n, (B, n C, H, W), of x, (B, C, H, W), and what the Affine-Net made of it, (B, n C, H, W)."""
        h, maps = x, []
        for part in a.chunk(self.expansion, dim=1):  # (B, C, H, W)
            h = h - part
            maps.append(h)
        return torch.cat(maps, dim=1)

    def inverse(self, y: Tensor, a: Tensor, mean: Tensor | None = None, std: Tensor | None = None) -> Tensor:
        """Algorithm 2.

        Args:
            y, a: (B, n C, H, W), as `forward` gave them or changed since.
            mean, std: (B, n C), the style; None leaves AdaIN out, and then, for y and a as `forward` gave them,
                the result is x - sum over j < n of a_j * product over k <= j of (1 - alpha_k).

        Returns:
            x: (B, C, H, W).
        """
        if mean is not None and std is not None:
            y = adain(y, mean, std)
        sums = (y + a).chunk(self.expansion, dim=1)  # n x (B, C, H, W)
        h = sums[-1]
        for i in reversed(range(self.expansion - 1)):
            h = torch.lerp(h, sums[i], self.fusion[i])
        return h

    def fusion_weights(self) -> list[Tensor]:
        """w_1 ... w_n, with which `inverse` adds up the parts of y + a: w_i = alpha_i * product over j < i of
        (1 - alpha_j), and w_n is that product over all.
        """
        left = self.fusion.new_ones(())
        weights = []
        for alpha in self.fusion:
            weights.append(left * alpha)
            left = left * (1 - alpha)
        return [*weights, left]
