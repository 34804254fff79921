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
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hflow.model.coupling import Coupling
from hflow.model.hierarchy_flow import PADDING, HierarchyFlow
from hflow.model.winograd import STEP, transform_weight, winograd_convolve

__all__ = ["StripTransfer", "fusion_weights"]

PIXELS = 1 << 14
"""Of a strip: enough work for a convolution, few enough that what lies between convolutions stays in the cache."""

KEPT = 2_500_000
"""Pixels of the largest frame of which what the Affine-Nets make is kept: 3 GB in float32."""

BLOCK = 1 << 17
"""Pixels of a block, of which all between the convolutions is held at once."""

FRAME = 90
"""Bytes a pixel of the frame itself, given, padded and made, and of what is measured of it."""

SIMILARITY = 190
"""Bytes a pixel, of the first million, that SSIM takes while what was kept is still held."""

HALO = 3
"""Rows above and below that three convolutions of 3 x 3 look at."""

WIDE = 24
"""Input channels from which Winograd's products save more than its transforms cost, in float32."""


Strips = Callable[[], Iterator[tuple[slice, Tensor]]]
"""One pass over a frame from top to bottom: rows and what belongs to them, (1, C, h, W), until the next is asked for.

The rows may be overwritten in the frame that it was computed from once they have been given.
"""


@dataclass(frozen=True)
class _Layer:
    """A convolution of max(x, shift), or of x itself; `shift` (1, C, 1, 1), `weight` (C', C, 3, 3), `bias` (C',)."""

    shift: Tensor | None
    weight: Tensor
    bias: Tensor | None


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
        self.network, self.rows, self.dtype, self.kept = network, rows, dtype, kept
        self._couplings = [coupling for coupling in network.couplings if isinstance(coupling, Coupling)]
        self._buffers: dict[tuple[str, torch.dtype], Tensor] = {}

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
        """Translate content, (B, 3, H, W), in the styles of the codes, (B, 8); gives (B, 3, H, W). Images in [0, 1].

        Raises:
            ValueError: the content is not of this shape, or too small to be reflected.
        """
        images = torch.empty_like(content, memory_format=torch.contiguous_format)
        for image, frame, c in zip(images, content, code, strict=True):
            x = self.network.pad(frame[None]).contiguous(memory_format=torch.channels_last)  # (1, 3, H + 20, W + 20)
            made = self._transfer(x, c[None])[0, :, PADDING:-PADDING, PADDING:-PADDING]
            torch.clamp(made, 0, 1, out=image)
            if self._is_large(x):  # Then the time that fresh memory takes is nothing beside the rest.
                self._buffers.clear()
        return images

    def _transfer(self, x: Tensor, code: Tensor) -> Tensor:
        """(1, 3, H, W), channels last, to (1, 3, H, W)."""
        statistics = self.network.statistics(code)
        kept = []
        for level, coupling in enumerate(self._couplings[:-1]):
            a = self._affine(coupling, x, f"a{level}")
            repeated, summed = _running_sum(coupling, x)
            y = self._buffer(f"y{level}", len(summed), x)
            for rows, strip in a():
                part = torch.mm(_pixels(x[:, :, rows]), repeated, out=_pixels(y[:, :, rows]))  # (h W, nC)
                part.addmm_(_pixels(self._floats(strip)), summed, alpha=-1)
            kept.append(a)
            x = y
        x = self._innermost(self._couplings[-1], x, *statistics[-1])
        outer = zip(self._couplings[:-1], statistics[:-1], kept, strict=True)
        for coupling, (mean, std), a in reversed(list(outer)):
            x = self._invert(coupling, x, a, mean, std)
        return x

    def _is_large(self, x: Tensor) -> bool:
        return x.shape[2] * x.shape[3] > self.kept

    def _affine(self, coupling: Coupling, x: Tensor, name: str) -> Strips:
        """What the Affine-Net makes of x, (1, C, H, W): a, (1, nC, H, W).

        Unless x is large, a is in the buffer of this name; else x is looked at again in every pass.
        """
        first, second, last = (layer for layer in coupling.affine_net if isinstance(layer, nn.Conv2d))
        norms = [layer for layer in coupling.affine_net if isinstance(layer, nn.InstanceNorm2d)]
        layers, large, before = [_Layer(None, first.weight, None)], self._is_large(x), x
        for norm, following, place in zip(norms, (second, last), ("first", "second"), strict=True):
            z = x if large else self._buffer(place, len(layers[-1].weight), x, self.dtype)
            moments = _Moments()
            for _, strip in self._recomputed(x, layers) if large else self._computed(before, layers[-1], z):
                moments.add(strip)
            shift = moments.mean.to(self.dtype)  # (1, C', 1, 1)
            weight = following.weight * torch.rsqrt(moments.variance(correction=0) + norm.eps)  # (C', C, 3, 3)
            bias = None
            if following is last:
                assert last.bias is not None
                bias = last.bias - weight.sum(dim=(2, 3)) @ shift.flatten().float()  # (nC,)
            layers.append(_Layer(shift, weight, bias))
            before = z
        if large:
            return lambda: self._recomputed(x, layers)
        a = self._buffer(name, len(layers[-1].weight), x, self.dtype)
        for _ in self._computed(before, layers[-1], a):
            pass
        return lambda: ((rows, a[:, :, rows]) for rows in self._strips(a))

    def _recomputed(self, x: Tensor, layers: Sequence[_Layer]) -> Iterator[tuple[slice, Tensor]]:
        """What the layers make of x, (1, C, H, W), block by block; x may be overwritten behind."""
        height, width = x.shape[2:]
        count, above = max(1, BLOCK // width), x[:, :, :0]
        for top in range(0, height, count):
            bottom = min(top + count, height)
            z = torch.cat([above, x[:, :, top : bottom + HALO]], dim=2).contiguous(memory_format=torch.channels_last)
            start = top - above.shape[2]
            above = z[:, :, max(bottom - HALO - start, 0) : bottom - start].clone()
            for number, layer in enumerate(layers):
                out = self._buffer(f"block{number}", len(layer.weight), z, self.dtype)
                for _ in self._computed(z, layer, out):
                    pass
                z = out
            for rows in self._strips(z[:, :, top - start : bottom - start]):
                yield slice(top + rows.start, top + rows.stop), z[:, :, top - start :][:, :, rows]

    def _computed(self, x: Tensor, layer: _Layer, out: Tensor) -> Iterator[tuple[slice, Tensor]]:
        """What the layer makes of x, (1, C, H, W), in `out`, (1, C', H, W), strip by strip.

        The last layer, which has a bias, has its ReLU; the others' is in the shift of the next.
        """
        for rows, convolved in self._convolved(x, layer.shift, layer.weight, layer.bias):
            strip = out[:, :, rows]
            if layer.bias is None:
                strip.copy_(convolved)
            else:
                torch.clamp_min(convolved, 0, out=strip)
            yield rows, strip

    def _convolved(
        self, x: Tensor, shift: Tensor | None, weight: Tensor, bias: Tensor | None
    ) -> Iterator[tuple[slice, Tensor]]:
        """The 3 x 3 convolution of max(x, shift), edges padded with shift, or of x itself, padded with zeros.

        Args:
            x: (1, C, H, W).
            shift: (1, C, 1, 1).

        Yields:
            Rows, and what belongs into them, (1, C', h, W).
        """
        width, winograd = x.shape[3], self.dtype == torch.float32 and x.shape[1] >= WIDE
        columns = -(-width // STEP) * STEP if winograd else width
        weights = transform_weight(weight) if winograd else []
        weight = weight.to(self.dtype, memory_format=torch.channels_last)
        bias = None if bias is None else bias.to(self.dtype)
        for rows in self._strips(x):
            padded = self._padded(x, rows, shift, columns)  # (1, C, h + 2, columns + 2)
            if winograd:
                strip = self._buffer("convolved", len(weight), padded[:, :, 2:, 2:])
                memory = self._memory("winograd", 6 * padded[:, :, :, 2:].numel() // STEP)
                winograd_convolve(padded, weights, strip, memory)
                strip = strip[..., :width]
                yield rows, strip if bias is None else strip.add_(bias[:, None, None])
            else:
                yield rows, F.conv2d(padded, weight, bias)

    def _padded(self, x: Tensor, rows: slice, shift: Tensor | None, columns: int) -> Tensor:
        """Rows of max(x, shift) with a row and a column more on every side: (1, C, h + 2, columns + 2)."""
        height, width = x.shape[2:]
        memory = self._memory("padded", (rows.stop - rows.start + 2) * (columns + 2) * x.shape[1], self.dtype)
        padded = memory.view(1, -1, columns + 2, x.shape[1]).permute(0, 3, 1, 2)
        start, stop = max(rows.start - 1, 0), min(rows.stop + 1, height)
        top = start - rows.start + 1
        bottom = top + stop - start
        edge = x.new_zeros(1, 1, 1, 1) if shift is None else shift
        for border in (padded[:, :, :top], padded[:, :, bottom:], padded[..., :1], padded[..., width + 1 :]):
            border.copy_(edge)
        inside = padded[:, :, top:bottom, 1 : width + 1]
        if shift is None:
            inside.copy_(x[:, :, start:stop])
        else:
            torch.maximum(x[:, :, start:stop], shift, out=inside)
        return padded

    def _innermost(self, coupling: Coupling, x: Tensor, mean: Tensor, std: Tensor) -> Tensor:
        """The innermost coupling forwards and back, in place of x, (1, C, H, W); its y is measured and not kept."""
        a = self._affine(coupling, x, "first")  # The first convolution's output, which was there, is no longer needed.
        moments = [_Moments() for _ in range(coupling.expansion)]
        for rows, strip in a():
            h = x[:, :, rows]
            for part, measured in zip(_parts(self._floats(strip), coupling), moments, strict=True):
                h = torch.sub(h, part, out=self._buffer("h", x.shape[1], h))
                measured.add(h)
        centre = torch.cat([m.mean for m in moments], dim=1)  # (1, nC, 1, 1)
        gain, offset = _adain(centre, torch.cat([m.variance(correction=1) for m in moments], dim=1), mean, std)
        weights = fusion_weights(coupling)
        gains = [w * g for w, g in zip(weights, _parts(gain, coupling), strict=True)]  # (1, C, 1, 1) each
        of_x = torch.stack(gains).sum(0)
        of_a = [w - torch.stack(gains[i:]).sum(0) for i, w in enumerate(weights)]
        constant = _weighted(weights, offset, coupling)
        for rows, strip in a():
            total = x[:, :, rows].mul_(of_x).add_(constant)
            for part, factor in zip(_parts(self._floats(strip), coupling), of_a, strict=True):
                total.addcmul_(part, factor)
        return x

    def _invert(self, coupling: Coupling, y: Tensor, a: Strips, mean: Tensor, std: Tensor) -> Tensor:
        """Algorithm 2: x, (1, C, H, W), from y, (1, nC, H, W), and a of the same shape."""
        moments = _Moments()
        for rows in self._strips(y):
            moments.add(y[:, :, rows])
        gain, offset = _adain(moments.mean, moments.variance(correction=1), mean, std)
        weights = fusion_weights(coupling)
        channels = y.shape[1] // coupling.expansion
        of_a = torch.cat([w * torch.eye(channels, device=y.device) for w in weights])  # (nC, C)
        of_y = gain.flatten()[:, None] * of_a
        constant = _weighted(weights, offset, coupling).flatten()  # (C,)
        x = self._buffer(f"x{channels}", channels, y)
        for rows, strip in a():
            total = torch.addmm(constant, _pixels(y[:, :, rows]), of_y, out=_pixels(x[:, :, rows]))  # (h W, C)
            total.addmm_(_pixels(self._floats(strip)), of_a)
        return x

    def _strips(self, x: Tensor) -> Iterator[slice]:
        height, width = x.shape[2:]
        rows = self.rows or max(1, PIXELS // width)
        return (slice(top, min(top + rows, height)) for top in range(0, height, rows))

    def _floats(self, strip: Tensor) -> Tensor:
        """A strip, (1, C, h, W), in float32."""
        if strip.dtype == torch.float32:
            return strip
        return self._buffer("floats", strip.shape[1], strip, torch.float32).copy_(strip)

    def _buffer(self, name: str, channels: int, like: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        """Memory for (1, channels, H, W) of this name, H and W those of `like`, channels last; what it held is lost."""
        height, width = like.shape[2:]
        memory = self._memory(name, channels * height * width, dtype)
        return memory.view(1, height, width, channels).permute(0, 3, 1, 2)

    def _memory(self, name: str, count: int, dtype: torch.dtype = torch.float32) -> Tensor:
        key = (name, dtype)
        if key not in self._buffers or len(self._buffers[key]) < count:
            self._buffers[key] = torch.empty(count, dtype=dtype)
        return self._buffers[key][:count]


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


def fusion_weights(coupling: Coupling) -> list[Tensor]:
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

    def add(self, strip: Tensor) -> None:
        """Take in a strip, (1, C, h, W), channels last."""
        count, channels = strip.shape[2] * strip.shape[3], strip.shape[1]
        # With running statistics in float32 the results are float32 too, for a bfloat16 strip as well.
        running = strip.new_zeros(2, channels, dtype=torch.float32)
        mean, variance = torch.batch_norm_update_stats(strip, running[0], running[1], 1.0)  # (C,), over all pixels
        shape = (1, channels, 1, 1)
        self._strips.append((count, mean.double().view(shape), count * variance.double().view(shape)))
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
