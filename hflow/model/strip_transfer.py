"""The network as an affine sum, strip by strip: what `HierarchyFlow.transfer` computes, with less memory moved.

Four equalities carry it. A bias before InstanceNorm cancels, and InstanceNorm's positive scale commutes with ReLU, so
it goes into the next convolution's weights. relu(z - m) is max(z, m) - m, and what a convolution makes of the constant
m is a constant, so with edges of m in place of zeros one maximum prepares its input. With the statistics known, AdaIN
is g y + b a channel, so every inverse (paper, algorithm 2) is one weighted sum over y and a. In the innermost coupling
y = x - (a_1 + ... + a_i), so there the sum runs over x and a, and y is never kept.
"""

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hflow.model.coupling import Coupling
from hflow.model.hierarchy_flow import PADDING, HierarchyFlow
from hflow.model.winograd import STEP, transform_weight, winograd_convolve

__all__ = ["StripTransfer", "fusion_weights"]

PIXELS = 1 << 14
"""Of a strip: enough work for a convolution, few enough that what lies between convolutions stays in the cache."""

WIDE = 24
"""Input channels from which Winograd's products save more than its transforms cost, in float32."""


class StripTransfer:
    """Translates as `network.transfer` does, but for rounding; for CPUs.

    Its buffers stay between frames, since memory fresh from the system is slow to touch for the first time. So one
    object must not be called by two threads at once.

    Args:
        network: the network, in float32.
        rows: rows of a strip, by default as many as have PIXELS; changes speed and rounding alone.
        dtype: of what the Affine-Nets compute and keep, float32 or bfloat16. The rest, statistics with it, is float32.
    """

    def __init__(self, network: HierarchyFlow, rows: int | None = None, dtype: torch.dtype = torch.float32):
        self.network, self.rows, self.dtype = network, rows, dtype
        self._couplings = [coupling for coupling in network.couplings if isinstance(coupling, Coupling)]
        self._buffers: dict[tuple[str, torch.dtype], Tensor] = {}

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
            repeated, summed = _running_sum(coupling, x)
            for rows in self._strips(x):
                part = torch.mm(_pixels(x[:, :, rows]), repeated, out=_pixels(y[:, :, rows]))  # (h W, nC)
                part.addmm_(_pixels(self._floats(a[:, :, rows])), summed, alpha=-1)
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
        for norm, following, place in zip(norms, (second, last), ("first", "second"), strict=True):
            moments = _Moments()
            z = self._buffer(place, len(weight), x, self.dtype)
            for strip, convolved in self._convolved(x, shift, weight, None, z):
                strip.copy_(convolved)
                moments.add(strip)
            shift = moments.mean.to(self.dtype)  # (1, C', 1, 1)
            weight = following.weight * torch.rsqrt(moments.variance(correction=0) + norm.eps)  # (C', C, 3, 3)
            x = z
        assert shift is not None
        assert last.bias is not None
        bias = last.bias - weight.sum(dim=(2, 3)) @ shift.flatten().float()  # (nC,)
        a = self._buffer(name, len(weight), x, self.dtype)
        for strip, convolved in self._convolved(x, shift, weight, bias, a):
            torch.clamp_min(convolved, 0, out=strip)
        return a

    def _convolved(
        self, x: Tensor, shift: Tensor | None, weight: Tensor, bias: Tensor | None, out: Tensor
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """The 3 x 3 convolution of max(x, shift), edges padded with shift, or of x itself, padded with zeros.

        Args:
            x: (1, C, H, W).
            shift: (1, C, 1, 1).
            out: (1, C', H, W).

        Yields:
            A strip of `out`, and what belongs into it, (1, C', h, W) both.
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
                yield out[:, :, rows], strip if bias is None else strip.add_(bias[:, None, None])
            else:
                yield out[:, :, rows], F.conv2d(padded, weight, bias)

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
        for rows in self._strips(x):
            h = x[:, :, rows]
            for part, measured in zip(_parts(self._floats(a[:, :, rows]), coupling), moments, strict=True):
                h = torch.sub(h, part, out=self._buffer("h", x.shape[1], h))
                measured.add(h)
        centre = torch.cat([m.mean for m in moments], dim=1)  # (1, nC, 1, 1)
        gain, offset = _adain(centre, torch.cat([m.variance(correction=1) for m in moments], dim=1), mean, std)
        weights = fusion_weights(coupling)
        gains = [w * g for w, g in zip(weights, _parts(gain, coupling), strict=True)]  # (1, C, 1, 1) each
        of_x = torch.stack(gains).sum(0)
        of_a = [w - torch.stack(gains[i:]).sum(0) for i, w in enumerate(weights)]
        constant = _weighted(weights, offset, coupling)
        for rows in self._strips(x):
            strip = x[:, :, rows].mul_(of_x).add_(constant)
            for part, factor in zip(_parts(self._floats(a[:, :, rows]), coupling), of_a, strict=True):
                strip.addcmul_(part, factor)
        return x

    def _invert(self, coupling: Coupling, y: Tensor, a: Tensor, mean: Tensor, std: Tensor) -> Tensor:
        """Algorithm 2: x, (1, C, H, W), from y and a, (1, nC, H, W)."""
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
        for rows in self._strips(y):
            total = torch.addmm(constant, _pixels(y[:, :, rows]), of_y, out=_pixels(x[:, :, rows]))  # (h W, C)
            total.addmm_(_pixels(self._floats(a[:, :, rows])), of_a)
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
