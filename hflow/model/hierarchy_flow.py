"""Hierarchy Flow (Fan, Chen, Liu 2023, arXiv:2308.06909): translation of images without pairs.

The couplings take the content apart, the Style-Net says which statistics each level should have, and the couplings'
inverses put it together again:

    >>> network = HierarchyFlow(expansions=(10, 4))
    >>> network(torch.rand(1, 3, 64, 128), torch.rand(1, 3, 64, 96)).shape
    torch.Size([1, 3, 64, 128])
"""

import itertools
from collections.abc import Iterable, Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hflow.foundation.guided_filter import contrast_eps, fitting_radius, local_affine
from hflow.model.correction import Correction, correct
from hflow.model.coupling import Coupling
from hflow.model.style import StyleEncoder, StyleMapping

__all__ = ["PADDING", "AdaINPlace", "HierarchyFlow", "Statistics"]

AdaINPlace = Literal["every", "innermost"]

Statistics = tuple[Tensor, Tensor]
"""A mean and a std, (B, C) each."""

PADDING = 10
"""Pixels by which the content is reflected outwards before the network and cropped after it."""


class HierarchyFlow(nn.Module):
    """The network.

    Args:
        expansions: the expansion rate of each coupling, from the image inwards; (10, 4) is the paper's HF. It has
            1,017,372 parameters; the paper prints 0.68M, which is what (10,) has.
        guide: the radius of a guided filter at the end, whose guide is the content: of what the couplings make of it,
            what is a local affine change of its colours comes out, and no halo, grain or fringe. 0 leaves it out, as
            the paper does. Training goes without it.
        adain: which couplings get the statistics of the style on the way back: every one, as in the paper, or the
            innermost alone, as in ArtFlow (An and others 2021).
        correction: what is done to the content ahead of the couplings, such as the dark channel prior to hazy frames.
    """

    def __init__(
        self,
        expansions: Sequence[int] = (10, 4),
        guide: int = 0,
        adain: AdaINPlace = "every",
        correction: Correction = "none",
    ):
        super().__init__()
        self.expansions, self.guide, self.adain, self.correction = tuple(expansions), guide, adain, correction
        channels = list(itertools.accumulate(self.expansions, lambda c, n: c * n, initial=3))
        self.couplings = nn.ModuleList(Coupling(c, n) for c, n in zip(channels, self.expansions, strict=False))
        self.style_encoder = StyleEncoder()
        self.style_mappings = nn.ModuleList(StyleMapping(c) for c in channels[1:][self._styled])

    def forward(self, content: Tensor, style: Tensor) -> Tensor:
        """Translate `content` in the style of `style`.

        Args:
            content: (B, 3, H, W), RGB in [0, 1], H and W over 10.
            style: (B, 3, h, w), RGB in [0, 1].

        Returns:
            (B, 3, H, W), in [0, 1].
        """
        return self.transfer(self.correct(content), self.encode_style(style))

    def correct(self, content: Tensor) -> Tensor:
        """Content, (B, 3, H, W) in [0, 1], as `transfer` and `finish` take it."""
        return correct(content, self.correction)

    def encode_style(self, style: Tensor) -> Tensor:
        """The style codes, (B, 8), of images (B, 3, h, w) in [0, 1]."""
        return self.style_encoder(style)

    @torch.no_grad()
    def start_from(self, images: Iterable[Tensor]) -> None:
        """Make every AdaIN give, to begin with, the mean statistics that the couplings find in `images`.

        So an untrained network already moves content towards the images, and training starts from there. The paper
        says nothing of how the Style-Net starts; with PyTorch's own initial values the first outputs are flat.

        Args:
            images: batches (B, 3, H, W) in [0, 1], of the target domain.
        """
        for coupling in self.couplings:
            assert isinstance(coupling, Coupling)
            coupling.start_small()
        found = [self.measure(image[None]) for batch in images for image in batch]
        for level, mapping in enumerate(self._mappings()):
            means, stds = (torch.cat([statistics[level][i] for statistics in found]) for i in (0, 1))  # (N, C)
            mapping.start_at(means.mean(dim=0), stds.mean(dim=0))

    @torch.no_grad()
    def measure(self, images: Tensor) -> list[Statistics]:
        """What every coupling with AdaIN finds in images, (B, 3, H, W); outermost first."""
        x, found = self.pad(images), []
        for coupling in self.couplings:
            x, _ = coupling(x)  # (B, C, H + 20, W + 20)
            found.append((x.mean(dim=(2, 3)), x.std(dim=(2, 3))))
        return found[self._styled]

    def transfer(self, content: Tensor, code: Tensor) -> Tensor:
        """Translate corrected content, (B, 3, H, W), in the styles of the codes, (B, 8); gives (B, 3, H, W), in [0, 1].

        Raises:
            ValueError: the content is not of this shape, or too small to be reflected.
        """
        x = self.pad(content)
        kept = []
        for coupling in self.couplings:
            x, a = coupling(x)  # (B, C, H + 20, W + 20)
            kept.append(a)
        for coupling, statistics, a in reversed(list(zip(self.couplings, self.statistics(code), kept, strict=True))):
            assert isinstance(coupling, Coupling)
            x = coupling.inverse(x, a, *statistics or ())
        return self.finish(content, x[..., PADDING:-PADDING, PADDING:-PADDING])

    def finish(self, content: Tensor, image: Tensor) -> Tensor:
        """What comes out, in [0, 1], for corrected content and what the couplings made of it, (B, 3, H, W) each."""
        image = image.clamp(0, 1)
        if not self.guide:
            return image
        radius = fitting_radius(self.guide, *content.shape[2:])
        return local_affine(content, image, radius=radius, eps=contrast_eps(content)).clamp(0, 1)

    def pad(self, content: Tensor) -> Tensor:
        """Content, (B, 3, H, W), reflected outwards: (B, 3, H + 20, W + 20).

        Raises:
            ValueError: the content is not of this shape, or too small to be reflected.
        """
        if content.ndim != 4 or content.shape[1] != 3 or min(content.shape[2:]) <= PADDING:
            raise ValueError(f"content must be (B, 3, H, W) with H and W over {PADDING}, not {tuple(content.shape)}")
        return F.pad(content, [PADDING] * 4, mode="reflect")

    def statistics(self, code: Tensor) -> list[Statistics | None]:
        """What the codes, (B, 8), ask of every coupling, from the image inwards; None of those without AdaIN."""
        asked: list[Statistics | None] = [None] * len(self.couplings)
        asked[self._styled] = self.asked(code)
        return asked

    def asked(self, code: Tensor) -> list[Statistics]:
        """What the codes, (B, 8), ask of the couplings with AdaIN alone, in the order of `measure`."""
        return [mapping(code) for mapping in self._mappings()]

    @property
    def _styled(self) -> slice:
        """The couplings with AdaIN."""
        return slice(None) if self.adain == "every" else slice(-1, None)

    def _mappings(self) -> list[StyleMapping]:
        return [mapping for mapping in self.style_mappings if isinstance(mapping, StyleMapping)]
