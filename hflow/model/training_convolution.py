"""A 3 x 3 convolution whose weights learn quickly on a CPU, in float32 and channels last.

oneDNN's gradient of the weights is in these maps several times slower than the convolution itself where a CPU has no
AVX-512; as products of matrices it takes one and a half times as long as the convolution, on any CPU.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["convolve"]

FEW = 16
"""Channels below which oneDNN's gradient is the quicker one."""


def convolve(layer: nn.Conv2d, x: Tensor) -> Tensor:
    """What the layer makes of x, (B, C, H, W) to (B, N, H, W), and the same gradients but for rounding.

    Args:
        layer: of kernels 3 x 3, padded by 1, with a bias.
        x: channels last. Other types than float32, and other devices than a CPU, take PyTorch's own gradient.
    """
    quick = x.device.type == "cpu" and x.dtype == torch.float32 and not torch.is_autocast_enabled("cpu")
    if not quick or layer.in_channels < FEW:
        found: Tensor = layer(x)
        return found
    return _Convolution.apply(x, layer.weight, layer.bias)


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return F.conv2d(x, weight, bias, padding=1)

    @staticmethod
    def backward(ctx: Any, of_y: Tensor) -> tuple[Tensor | None, Tensor, Tensor]:
        x, weight = ctx.saved_tensors
        of_y = of_y.contiguous(memory_format=torch.channels_last)
        of_x = None
        if ctx.needs_input_grad[0]:
            ones = [1, 1]
            of_x, _, _ = torch.ops.aten.convolution_backward(
                of_y, x, weight, None, ones, ones, ones, False, [0, 0], 1, [True, False, False]
            )
        return of_x, _gradient_of_weight(of_y, x), of_y.sum(dim=(0, 2, 3))


def _gradient_of_weight(of_y: Tensor, x: Tensor) -> Tensor:
    """(N, C, 3, 3), of the gradient of the outputs, (B, N, H, W), and the inputs, (B, C, H, W), both channels last.

    With two more columns in every row the three neighbours of a pixel in a row of the kernel lie side by side in
    memory, also where a row ends: pixels and their 3 C neighbours are matrices without a copy for each neighbour.
    """
    _, outputs, height, width = of_y.shape
    channels, pixels = x.shape[1], height * (width + 2)
    slopes = F.pad(of_y.permute(0, 2, 3, 1), (0, 0, 0, 2))  # (B, H, W + 2, N)
    inputs = F.pad(x.permute(0, 2, 3, 1), (0, 0, 1, 1, 1, 2))  # (B, H + 3, W + 2, C)
    gradient = x.new_zeros(3, outputs, 3 * channels)
    for slope, picture in zip(slopes.flatten(1, 2), inputs, strict=True):
        for row in range(3):
            neighbours = picture[row:].flatten().as_strided((pixels, 3 * channels), (channels, 1))
            gradient[row].addmm_(slope.T, neighbours)
    return gradient.view(3, outputs, 3, channels).permute(1, 3, 0, 2)
