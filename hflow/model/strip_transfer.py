"""The network as an affine sum, strip by strip: what `HierarchyFlow.transfer` computes, with less memory moved.

Four equalities carry it. A bias before InstanceNorm cancels, and InstanceNorm's positive scale commutes with ReLU, so
it goes into the next convolution's weights. relu(z - m) is max(z, m) - m, and what a convolution makes of the constant
m is a constant, so with edges of m in place of zeros one maximum prepares its input. With the statistics known, AdaIN
is g y + b a channel, so every inverse (paper, algorithm 2) is one weighted sum over y and a. In the innermost coupling
y = x - (a_1 + ... + a_i), so there the sum runs over x and a, and y is never kept.

Statistics are of the whole frame, so what the Affine-Nets make is needed several times. Up to KEPT pixels it is kept;
of larger frames it is computed again, block by block, each time: less than a quarter of the memory, more than twice
the time.
"""

import math

import torch
from torch import Tensor, nn

from hflow.model.adain import adain_as_affine
from hflow.model.coupling import Coupling
from hflow.model.hierarchy_flow import PADDING, HierarchyFlow, Statistics
from hflow.model.strip_affine_net import BLOCK, StripAffineNet, Strips, strip_rows
from hflow.model.strip_buffers import StripBuffers
from hflow.model.strip_moments import StripMoments

__all__ = ["StripTransfer"]

KEPT = 2_500_000
"""Pixels of the largest frame of which what the Affine-Nets make is kept: 3 GB in float32."""

FRAME = 90
"""Bytes a pixel of the frame itself, given, padded and made, and of what is measured of it."""

SIMILARITY = 190
"""Bytes a pixel, of the first million, that SSIM takes while what was kept is still held."""


class StripTransfer:
    """Translates as `network.transfer` does, but for rounding; for CPUs.

    Its buffers stay between frames, since memory fresh from the system is slow to touch for the first time. So one
    object must not be called by two threads at once.

    Args:
        network: the network, in float32.
        rows: rows of a strip, by default as many as have PIXELS; changes speed and rounding alone.
        dtype: of what the Affine-Nets compute and keep, float32 or bfloat16. The rest, statistics with it, is float32.
        kept: pixels of the largest frame of which it is kept; that of larger ones is computed again.
    """

    def __init__(
        self,
        network: HierarchyFlow,
        rows: int | None = None,
        dtype: torch.dtype = torch.float32,
        kept: int = KEPT,
    ):
        self.network, self.dtype, self.kept = network, dtype, kept
        self._couplings = [coupling for coupling in network.couplings if isinstance(coupling, Coupling)]
        self._rows, self._buffers = rows, StripBuffers()
        self._affine_net = StripAffineNet(self._buffers, rows, dtype)

    def bytes_needed(self, height: int, width: int) -> int:
        """About how much memory a frame of this size takes at its peak, what is said and measured of it included."""
        item = torch.finfo(self.dtype).bits // 8
        inner, outer = self._couplings[-1], self._couplings[:-1]
        channels = [layer.out_channels for layer in inner.affine_net if isinstance(layer, nn.Conv2d)]
        spread = sum(3 * math.prod(c.expansion for c in outer[: i + 1]) for i in range(len(outer)))
        maps = FRAME + 4 * spread
        pixels = (height + 2 * PADDING) * (width + 2 * PADDING)
        if pixels > self.kept:
            return pixels * maps + BLOCK * 4 * 3 * max(channels)
        kept = item * (channels[-1] + channels[0] + spread)
        return pixels * (maps + kept) + SIMILARITY * min(pixels, BLOCK * 8)

    @torch.inference_mode()
    def __call__(self, content: Tensor, code: Tensor) -> Tensor:
        """Translate corrected content, (B, 3, H, W), in the styles of the codes, (B, 8); gives (B, 3, H, W), in [0, 1].

        Raises:
            ValueError: the content is not of this shape, or too small to be reflected.
        """
        images = torch.empty_like(content, memory_format=torch.contiguous_format)
        for image, frame, c in zip(images, content, code, strict=True):
            x = self.network.pad(frame[None]).contiguous(memory_format=torch.channels_last)  # (1, 3, H + 20, W + 20)
            made = self._transfer(x, c[None])[0, :, PADDING:-PADDING, PADDING:-PADDING]
            torch.clamp(made, 0, 1, out=image)
            if not self._is_kept(x):  # Then the time that fresh memory takes is nothing beside the rest.
                self._buffers.clear()
        return images

    def _transfer(self, x: Tensor, code: Tensor) -> Tensor:
        """(1, 3, H, W), channels last, to (1, 3, H, W)."""
        statistics = self.network.statistics(code)
        keep = self._is_kept(x)
        kept = []
        for level, coupling in enumerate(self._couplings[:-1]):
            a = self._affine_net(coupling, x, f"a{level}", keep=keep)
            repeated, summed = _running_sum(coupling, x)
            y = self._buffers.maps(f"y{level}", len(summed), x)
            for rows, strip in a():
                part = torch.mm(_pixels(x[:, :, rows]), repeated, out=_pixels(y[:, :, rows]))  # (h W, nC)
                part.addmm_(_pixels(self._floats(strip)), summed, alpha=-1)
            kept.append(a)
            x = y
        innermost = statistics[-1]
        assert innermost is not None
        x = self._innermost(self._couplings[-1], x, *innermost, keep=keep)
        outer = zip(self._couplings[:-1], statistics[:-1], kept, strict=True)
        for coupling, wanted, a in reversed(list(outer)):
            x = self._invert(coupling, x, a, wanted)
        return x

    def _is_kept(self, x: Tensor) -> bool:
        return x.shape[2] * x.shape[3] <= self.kept

    def _innermost(self, coupling: Coupling, x: Tensor, mean: Tensor, std: Tensor, *, keep: bool) -> Tensor:
        """The innermost coupling forwards and back, in place of x, (1, C, H, W); its y is measured and not kept."""
        # The first convolution's output, which was there, is no longer needed.
        a = self._affine_net(coupling, x, "first", keep=keep)
        moments = [StripMoments() for _ in range(coupling.expansion)]
        for rows, strip in a():
            h = x[:, :, rows]
            for part, measured in zip(_parts(self._floats(strip), coupling), moments, strict=True):
                h = torch.sub(h, part, out=self._buffers.maps("h", x.shape[1], h))
                measured.add(h)
        centre, variance = (  # (1, nC, 1, 1)
            torch.cat(found, dim=1) for found in zip(*(m.moments(correction=1) for m in moments), strict=True)
        )
        gain, offset = adain_as_affine(centre, variance, mean, std)
        weights = coupling.fusion_weights()
        gains = [w * g for w, g in zip(weights, _parts(gain, coupling), strict=True)]  # (1, C, 1, 1) each
        of_x = torch.stack(gains).sum(0)
        of_a = [w - torch.stack(gains[i:]).sum(0) for i, w in enumerate(weights)]
        constant = _weighted(weights, offset, coupling)
        for rows, strip in a():
            total = x[:, :, rows].mul_(of_x).add_(constant)
            for part, factor in zip(_parts(self._floats(strip), coupling), of_a, strict=True):
                total.addcmul_(part, factor)
        return x

    def _invert(self, coupling: Coupling, y: Tensor, a: Strips, wanted: Statistics | None) -> Tensor:
        """Algorithm 2: x, (1, C, H, W), from y, (1, nC, H, W), and a of the same shape."""
        gain, offset = y.new_ones(1, y.shape[1], 1, 1), y.new_zeros(1, y.shape[1], 1, 1)
        if wanted is not None:
            moments = StripMoments()
            for rows in strip_rows(y, self._rows):
                moments.add(y[:, :, rows])
            gain, offset = adain_as_affine(*moments.moments(correction=1), *wanted)
        weights = coupling.fusion_weights()
        channels = y.shape[1] // coupling.expansion
        of_a = torch.cat([w * torch.eye(channels, device=y.device) for w in weights])  # (nC, C)
        of_y = gain.flatten()[:, None] * of_a
        constant = _weighted(weights, offset, coupling).flatten()  # (C,)
        x = self._buffers.maps(f"x{channels}", channels, y)
        for rows, strip in a():
            total = torch.addmm(constant, _pixels(y[:, :, rows]), of_y, out=_pixels(x[:, :, rows]))  # (h W, C)
            total.addmm_(_pixels(self._floats(strip)), of_a)
        return x

    def _floats(self, strip: Tensor) -> Tensor:
        """A strip, (1, C, h, W), in float32."""
        if strip.dtype == torch.float32:
            return strip
        return self._buffers.maps("floats", strip.shape[1], strip, torch.float32).copy_(strip)


def _pixels(maps: Tensor) -> Tensor:
    """(1, C, h, W), channels last, to (h W, C), the same memory."""
    return maps.permute(0, 2, 3, 1).view(-1, maps.shape[1])


def _running_sum(coupling: Coupling, x: Tensor) -> tuple[Tensor, Tensor]:
    """Algorithm 1 as matrices: y = x R - a S for pixels in rows; R (C, nC) repeats x, S (nC, nC) adds up the parts."""
    one, n = torch.eye(x.shape[1], device=x.device), coupling.expansion
    return one.repeat(1, n), torch.kron(torch.ones(n, n, device=x.device).triu(), one)


def _parts(maps: Tensor, coupling: Coupling) -> tuple[Tensor, ...]:
    """(1, nC, h, W) to n x (1, C, h, W)."""
    return maps.chunk(coupling.expansion, dim=1)


def _weighted(weights: list[Tensor], values: Tensor, coupling: Coupling) -> Tensor:
    """The sum of w_i times the i-th part of values, (1, nC, 1, 1); gives (1, C, 1, 1)."""
    return torch.stack([w * v for w, v in zip(weights, _parts(values, coupling), strict=True)]).sum(0)
