"""Hierarchy Flow (Fan, Chen, Liu 2023, arXiv:2308.06909): translation of images without pairs.

The couplings take the content apart, the Style-Net says which statistics each level should have, and the couplings'
inverses put it together again:

    >>> network = HierarchyFlow(expansions=(10, 4))
    >>> network(torch.rand(1, 3, 64, 128), torch.rand(1, 3, 64, 96)).shape
    torch.Size([1, 3, 64, 128])
"""

import itertools
from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F

from hflow.model.coupling import Coupling
from hflow.model.style import StyleEncoder, StyleMapping

__all__ = ["PADDING", "HierarchyFlow"]

PADDING = 10
"""Pixels by which the content is reflected outwards before the network and cropped after it."""


class HierarchyFlow(nn.Module):
    """The network.

    Args:
        expansions: the expansion rate of each coupling, from the image inwards; (10, 4) is the paper's HF. It has
            1,017,372 parameters; the paper prints 0.68M, which is what (10,) has.
    """

    def __init__(self, expansions: Sequence[int] = (10, 4)):
        super().__init__()
        self.expansions = tuple(expansions)
        channels = list(itertools.accumulate(self.expansions, lambda c, n: c * n, initial=3))
        self.couplings = nn.ModuleList(Coupling(c, n) for c, n in zip(channels, self.expansions, strict=False))
        self.style_encoder = StyleEncoder()
        self.style_mappings = nn.ModuleList(StyleMapping(c) for c in channels[1:])

    def forward(self, content: Tensor, style: Tensor) -> Tensor:
        """Translate `content` in the style of `style`.

        Args:
            content: (B, 3, H, W), RGB in [0, 1], H and W over 10.
            style: (B, 3, h, w), RGB in [0, 1].

        Returns:
            (B, 3, H, W), in [0, 1].
        """
        return self.transfer(content, self.encode_style(style))

    def encode_style(self, style: Tensor) -> Tensor:
        """The style codes, (B, 8), of images (B, 3, h, w) in [0, 1]."""
        return self.style_encoder(style)

    def transfer(self, content: Tensor, code: Tensor) -> Tensor:
        """Translate `content`, (B, 3, H, W), in the styles of the codes, (B, 8); gives (B, 3, H, W). Images in [0, 1].

        Raises:
            ValueError: the content is not of this shape, or too small to be reflected.
        """
        if content.ndim != 4 or content.shape[1] != 3 or min(content.shape[2:]) <= PADDING:
            raise ValueError(f"content must be (B, 3, H, W) with H and W over {PADDING}, not {tuple(content.shape)}")
        x = F.pad(content, [PADDING] * 4, mode="reflect")  # (B, 3, H + 20, W + 20)
        kept = []
        for coupling in self.couplings:
            x, a = coupling(x)  # (B, C, H + 20, W + 20)
            kept.append(a)
        for coupling, mapping, a in reversed(list(zip(self.couplings, self.style_mappings, kept, strict=True))):
            assert isinstance(coupling, Coupling)
            x = coupling.inverse(x, a, *mapping(code))
        return x[..., PADDING:-PADDING, PADDING:-PADDING].clamp(0, 1)
