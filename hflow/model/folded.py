"""The network as an affine sum, strip by strip: what `HierarchyFlow.transfer` computes, with less memory moved.

Three equalities carry it. A bias before InstanceNorm cancels, and InstanceNorm's positive scale commutes with ReLU, so
it goes into the next convolution's weights. With the statistics known, AdaIN is g y + b a channel, so every inverse
(paper, algorithm 2) is one weighted sum over y and a. In the innermost coupling y = x - (a_1 + ... + a_i), so there the
sum runs over x and a, and y is never kept.
"""

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hflow.model.coupling import Coupling
from hflow.model.hierarchy_flow import PADDING, HierarchyFlow

__all__ = ["FoldedTransfer"]

ROWS = 16
"""Rows of a strip: enough work for a convolution, few enough that what lies between convolutions stays in the cache."""


class FoldedTransfer:
    """Translates as `network.transfer` does, but for the rounding of float32; for CPUs.

    Its buffers stay between frames, since memory fresh from the system is slow to touch for the first time. So one
    object must not be called by two threads at once.

    Args:
        network: the network, in float32.
        rows: rows of a strip; changes speed and rounding alone.
    """

    def __init__(self, network: HierarchyFlow, rows: int = ROWS):
        self.network, self.rows = network, rows
        self._couplings = [coupling for coupling in network.couplings if isinstance(coupling, Coupling)]
        self._buffers: dict[str, Tensor] = {}

    @torch.inference_mode()
    def __call__(self, content: Tensor, code: Tensor) -> Tensor:
        """Translate content, (B, 3, H, W), in the styles of the codes, (B, 8); gives (B, 3, H, W). Images in [0, 1].

        Raises:
            ValueError: the content is not of this shape, or too small to be reflected.
        """
        padded = self.network.pad(content)  # (B, 3, H + 20, W + 20)
        images = []
        for x, c in zip(padded, code, strict=True):
            image = self._transfer(x[None], c[None])[..., PADDING:-PADDING, PADDING:-PADDING]
            images.append(image.clamp(0, 1))  # A copy: the next frame takes the buffer.
        return torch.cat(images)

    def _transfer(self, x: Tensor, code: Tensor) -> Tensor:
        """(1, 3, H, W) to (1, 3, H, W)."""
        x = x.contiguous(memory_format=torch.channels_last)
        statistics = self.network.statistics(code)
        kept = []
        for level, coupling in enumerate(self._couplings[:-1]):
            a = self._affine(coupling, x, f"a{level}")
            y = self._buffer(f"y{level}", a.shape[1], x)
            for rows in self._strips(x):
                h = x[:, :, rows]
                parts = _parts(a[:, :, rows], coupling), _parts(y[:, :, rows], coupling)
                for part, place in zip(*parts, strict=True):
                    h = torch.sub(h, part, out=place)  # (1, C, h, W)
            kept.append(a)
            x = y
        x = self._innermost(self._couplings[-1], x, *statistics[-1])
        outer = zip(self._couplings[:-1], statistics[:-1], kept, strict=True)
        for coupling, (mean, std), a in reversed(list(outer)):
            x = self._invert(coupling, x, a, mean, std)
        return x

    def _affine(self, coupling: Coupling, x: Tensor, name: str) -> Tensor:
        """What the Affine-Net makes of x, (1, C, H, W): a, (1, nC, H, W), in the buffer of this name."""
        first, second, last = (layer for layer in coupling.affine_net if isinstance(layer, nn.Conv2d))
        norms = [layer for layer in coupling.affine_net if isinstance(layer, nn.InstanceNorm2d)]
        weight, shift = first.weight, None
        for norm, following, place in zip(norms, (second, last), ("wide", "narrow"), strict=True):
            moments = _Moments()
            z = self._buffer(place, len(weight), x)
            for rows, strip in self._convolved(x, shift, weight, None):
                z[:, :, rows] = strip
                self._measure(moments, strip)
            shift = moments.mean
            weight = following.weight * torch.rsqrt(moments.variance(correction=0) + norm.eps)  # (C', C, 3, 3)
            x = z
        a = self._buffer(name, len(weight), x)
        for rows, strip in self._convolved(x, shift, weight, last.bias):
            torch.clamp_min(strip, 0, out=a[:, :, rows])
        return a

    def _convolved(
        self, x: Tensor, shift: Tensor | None, weight: Tensor, bias: Tensor | None
    ) -> Iterator[tuple[slice, Tensor]]:
        """Strips (1, C', h, W) of the 3 x 3 convolution of relu(x - shift), or of x itself; edges padded with zeros."""
        weight = weight.contiguous(memory_format=torch.channels_last)
        height = x.shape[2]
        for rows in self._strips(x):
            strip = x[:, :, max(rows.start - 1, 0) : rows.stop + 1]  # (1, C, h + 2, W), less at the edges
            if shift is not None:
                scratch = self._buffer("scratch", x.shape[1], strip)
                strip = torch.sub(strip, shift, out=scratch).relu_()
            if rows.start == 0 or rows.stop == height:
                strip = F.pad(strip, (0, 0, int(rows.start == 0), int(rows.stop == height)))
            yield rows, F.conv2d(strip, weight, bias, padding=(0, 1))

    def _innermost(self, coupling: Coupling, x: Tensor, mean: Tensor, std: Tensor) -> Tensor:
        """The innermost coupling forwards and back, in place of x, (1, C, H, W); its y is measured and not kept."""
        a = self._affine(coupling, x, "wide")  # The first convolution's output, which was there, is no longer needed.
        moments = [_Moments() for _ in range(coupling.expansion)]
        for rows in self._strips(x):
            h = x[:, :, rows]
            for part, measured in zip(_parts(a[:, :, rows], coupling), moments, strict=True):
                h = torch.sub(h, part, out=self._buffer("h", x.shape[1], h))
                self._measure(measured, h)
        centre = torch.cat([m.mean for m in moments], dim=1)  # (1, nC, 1, 1)
        gain, offset = _adain(centre, torch.cat([m.variance(correction=1) for m in moments], dim=1), mean, std)
        weights = _fusion_weights(coupling)
        gains = [w * g for w, g in zip(weights, _parts(gain, coupling), strict=True)]  # (1, C, 1, 1) each
        of_x = torch.stack(gains).sum(0)
        of_a = [w - torch.stack(gains[i:]).sum(0) for i, w in enumerate(weights)]
        constant = _weighted(weights, offset, coupling)
        for rows in self._strips(x):
            strip = x[:, :, rows].mul_(of_x).add_(constant)
            for part, factor in zip(_parts(a[:, :, rows], coupling), of_a, strict=True):
                strip.addcmul_(part, factor)
        return x

    def _invert(self, coupling: Coupling, y: Tensor, a: Tensor, mean: Tensor, std: Tensor) -> Tensor:
        """Algorithm 2: x, (1, C, H, W), from y and a, (1, nC, H, W)."""
        moments = _Moments()
        for rows in self._strips(y):
            self._measure(moments, y[:, :, rows])
        gain, offset = _adain(moments.mean, moments.variance(correction=1), mean, std)
        weights = _fusion_weights(coupling)
        channels = y.shape[1] // coupling.expansion
        of_a = torch.cat([w.expand(1, channels, 1, 1) for w in weights], dim=1)  # (1, nC, 1, 1)
        of_y = of_a * gain
        constant = _weighted(weights, offset, coupling)
        x = self._buffer(f"x{channels}", channels, y)
        for rows in self._strips(y):
            total = torch.mul(y[:, :, rows], of_y, out=self._buffer("scratch", y.shape[1], y[:, :, rows]))
            total.addcmul_(a[:, :, rows], of_a)
            x[:, :, rows] = total.unflatten(1, (coupling.expansion, channels)).sum(1) + constant  # (1, C, h, W)
        return x

    def _measure(self, moments: "_Moments", strip: Tensor) -> None:
        moments.add(strip, scratch=self._buffer("measured", strip.shape[1], strip))

    def _strips(self, x: Tensor) -> Iterator[slice]:
        height = x.shape[2]
        return (slice(top, min(top + self.rows, height)) for top in range(0, height, self.rows))

    def _buffer(self, name: str, channels: int, like: Tensor) -> Tensor:
        """Memory for (1, channels, H, W) of this name, H and W those of `like`, channels last; what it held is lost."""
        height, width = like.shape[2:]
        count = channels * height * width
        if name not in self._buffers or len(self._buffers[name]) < count:
            self._buffers[name] = like.new_empty(count)
        return self._buffers[name][:count].view(1, height, width, channels).permute(0, 3, 1, 2)


def _parts(maps: Tensor, coupling: Coupling) -> tuple[Tensor, ...]:
    """(1, nC, h, W) to n x (1, C, h, W)."""
    return maps.chunk(coupling.expansion, dim=1)


def _fusion_weights(coupling: Coupling) -> list[Tensor]:
    """w_1 ... w_n: w_i = alpha_i times the product over j < i of (1 - alpha_j), w_n that product itself."""
    left = coupling.fusion.new_ones(())
    weights = []
    for alpha in coupling.fusion:
        weights.append(left * alpha)
        left = left * (1 - alpha)
    return [*weights, left]


def _adain(centre: Tensor, variance: Tensor, mean: Tensor, std: Tensor, eps: float = 1e-5) -> tuple[Tensor, Tensor]:
    """Equation 3 as g y + b: g and b, (1, C, 1, 1)."""
    gain = std[..., None, None] * torch.rsqrt(variance + eps)
    return gain, mean[..., None, None] - gain * centre


def _weighted(weights: list[Tensor], values: Tensor, coupling: Coupling) -> Tensor:
    """The sum of w_i times the i-th part of values, (1, nC, 1, 1); gives (1, C, 1, 1)."""
    return torch.stack([w * v for w, v in zip(weights, _parts(values, coupling), strict=True)]).sum(0)


class _Moments:
    """Mean and variance of every channel over strips, each centred on itself before they are brought together."""

    def __init__(self) -> None:
        self._count = 0
        self._strips: list[tuple[int, Tensor, Tensor]] = []

    def add(self, strip: Tensor, scratch: Tensor) -> None:
        """Take in a strip, (1, C, h, W); `scratch`, of the same shape, is overwritten."""
        count = strip.shape[2] * strip.shape[3]
        mean = strip.sum(dim=(2, 3), keepdim=True) / count  # (1, C, 1, 1)
        off = torch.sub(strip, mean, out=scratch)
        self._strips.append((count, mean.double(), off.mul_(off).sum(dim=(2, 3), keepdim=True).double()))
        self._count += count

    @property
    def mean(self) -> Tensor:
        """(1, C, 1, 1)."""
        return self._mean().float()

    def variance(self, *, correction: int) -> Tensor:
        """(1, C, 1, 1); `correction` 1 gives the unbiased one."""
        mean = self._mean()
        total = torch.stack([squares + count * (m - mean) ** 2 for count, m, squares in self._strips]).sum(0)
        return (total / (self._count - correction)).float()

    def _mean(self) -> Tensor:
        return torch.stack([count * mean for count, mean, _ in self._strips]).sum(0) / self._count
