"""What a coupling's Affine-Net makes of a frame, strip by strip, on a CPU.

InstanceNorm's statistics are of the whole frame, so every layer is measured before the next is computed. What the
layers make is kept in buffers, or computed again, block by block, in every pass.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hflow.model.coupling import Coupling
from hflow.model.strip_buffers import StripBuffers
from hflow.model.strip_moments import StripMoments
from hflow.model.winograd import STEP, transform_weight, winograd_convolve

__all__ = ["BLOCK", "StripAffineNet", "Strips", "strip_rows"]

PIXELS = 1 << 14
"""Of a strip: enough work for a convolution, few enough that what lies between convolutions stays in the cache."""

BLOCK = 1 << 17
"""Pixels of a block, of which all between the convolutions is held at once."""

HALO = 3
"""Rows above and below that three convolutions of 3 x 3 look at."""

WIDE = 24
"""Input channels from which Winograd's products save more than its transforms cost, in float32."""

Strips = Callable[[], Iterator[tuple[slice, Tensor]]]
"""One pass over a frame from top to bottom: rows and what belongs to them, (1, C, h, W), until the next is asked for.

The rows may be overwritten in the frame that it was computed from once they have been given.
"""


def strip_rows(x: Tensor, rows: int | None) -> Iterator[slice]:
    """The rows of one strip after the other of x, (1, C, H, W): so many each, by default as many as have PIXELS."""
    height, width = x.shape[2:]
    count = rows or max(1, PIXELS // width)
    return (slice(top, min(top + count, height)) for top in range(0, height, count))


@dataclass(frozen=True)
class _Layer:
    """A convolution of max(x, shift), or of x itself; `shift` (1, C, 1, 1), `weight` (C', C, 3, 3), `bias` (C',)."""

    shift: Tensor | None
    weight: Tensor
    bias: Tensor | None


class StripAffineNet:
    """Computes the Affine-Nets of couplings, for one frame at a time.

    Args:
        buffers: what they compute is kept there.
        rows: rows of a strip, by default as many as have PIXELS.
        dtype: of what they compute and keep, float32 or bfloat16. Statistics are float32.
    """

    def __init__(self, buffers: StripBuffers, rows: int | None, dtype: torch.dtype):
        self._buffers, self._rows, self._dtype = buffers, rows, dtype

    def __call__(self, coupling: Coupling, x: Tensor, name: str, *, keep: bool) -> Strips:
        """What the coupling's Affine-Net makes of x, (1, C, H, W): a, (1, nC, H, W).

        Args:
            name: the buffer that a is kept in.
            keep: if False, x is looked at again in every pass.
        """
        first, second, last = (layer for layer in coupling.affine_net if isinstance(layer, nn.Conv2d))
        norms = [layer for layer in coupling.affine_net if isinstance(layer, nn.InstanceNorm2d)]
        layers, before = [_Layer(None, first.weight, None)], x
        for norm, following, place in zip(norms, (second, last), ("first", "second"), strict=True):
            z = x if not keep else self._buffers.maps(place, len(layers[-1].weight), x, self._dtype)
            moments = StripMoments()
            for _, strip in self._computed(before, layers[-1], z) if keep else self._recomputed(x, layers):
                moments.add(strip)
            mean, variance = moments.moments(correction=0)
            shift = mean.to(self._dtype)  # (1, C', 1, 1)
            weight = following.weight * torch.rsqrt(variance + norm.eps)  # (C', C, 3, 3)
            bias = None
            if following is last:
                assert last.bias is not None
                bias = last.bias - weight.sum(dim=(2, 3)) @ shift.flatten().float()  # (nC,)
            layers.append(_Layer(shift, weight, bias))
            before = z
        if not keep:
            return lambda: self._recomputed(x, layers)
        a = self._buffers.maps(name, len(layers[-1].weight), x, self._dtype)
        for _ in self._computed(before, layers[-1], a):
            pass
        return lambda: ((rows, a[:, :, rows]) for rows in strip_rows(a, self._rows))

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
                out = self._buffers.maps(f"block{number}", len(layer.weight), z, self._dtype)
                for _ in self._computed(z, layer, out):
                    pass
                z = out
            for rows in strip_rows(z[:, :, top - start : bottom - start], self._rows):
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
        width, winograd = x.shape[3], self._dtype == torch.float32 and x.shape[1] >= WIDE
        columns = -(-width // STEP) * STEP if winograd else width
        weights = transform_weight(weight) if winograd else []
        weight = weight.to(self._dtype, memory_format=torch.channels_last)
        bias = None if bias is None else bias.to(self._dtype)
        for rows in strip_rows(x, self._rows):
            padded = self._padded(x, rows, shift, columns)  # (1, C, h + 2, columns + 2)
            if winograd:
                strip = self._buffers.maps("convolved", len(weight), padded[:, :, 2:, 2:])
                memory = self._buffers.memory("winograd", 6 * padded[:, :, :, 2:].numel() // STEP)
                winograd_convolve(padded, weights, strip, memory)
                strip = strip[..., :width]
                yield rows, strip if bias is None else strip.add_(bias[:, None, None])
            else:
                yield rows, F.conv2d(padded, weight, bias)

    def _padded(self, x: Tensor, rows: slice, shift: Tensor | None, columns: int) -> Tensor:
        """Rows of max(x, shift) with a row and a column more on every side: (1, C, h + 2, columns + 2)."""
        height, width = x.shape[2:]
        memory = self._buffers.memory("padded", (rows.stop - rows.start + 2) * (columns + 2) * x.shape[1], self._dtype)
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
