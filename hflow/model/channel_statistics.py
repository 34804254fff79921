"""Statistics of every channel of every sample, and normalising by them, with gradients; quick on a CPU as well.

There the kernels of batch normalisation, given one sample at a time, read channels-last memory once, where var_mean and
InstanceNorm rearrange it first. They keep sums in float32, for bfloat16 maps too.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from hflow.model.adain import adain

__all__ = ["instance_norm", "moments", "restyle"]


def moments(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and unbiased variance of every channel, (B, C) each, at least float32, of maps (B, C, H, W)."""
    if x.device.type == "cpu":
        return _Moments.apply(x)
    variance, mean = torch.var_mean(x.float(), dim=(2, 3), correction=1)
    return mean, variance


def instance_norm(x: Tensor) -> Tensor:
    """InstanceNorm without affine parameters, (B, C, H, W) to the same, in the type of x; statistics are float32."""
    if x.device.type == "cpu":
        return _normalised(x, 1e-5)
    return F.instance_norm(x.float()).to(x.dtype)


def restyle(x: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """`adain` of x, (B, C, H, W), with mean and std, (B, C)."""
    if x.device.type != "cpu":
        return adain(x, mean, std)
    # Batch normalisation takes the biased variance; the unbiased one is this many times as large.
    pixels = x.shape[2] * x.shape[3]
    larger = pixels / (pixels - 1)
    return _normalised(x, 1e-5 / larger, std / larger**0.5, mean)


def _normalised(x: Tensor, eps: float, gain: Tensor | None = None, offset: Tensor | None = None) -> Tensor:
    """(B, C, H, W) to the same, with gain and offset, (B, C), after the normalisation."""
    gains = [None] * len(x) if gain is None else gain.unbind()
    offsets = [None] * len(x) if offset is None else offset.unbind()
    samples = [
        F.batch_norm(sample, None, None, weight, bias, training=True, eps=eps)
        for sample, weight, bias in zip(x.split(1), gains, offsets, strict=True)
    ]
    return samples[0] if len(samples) == 1 else torch.cat(samples)


class _Moments(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> tuple[Tensor, Tensor]:
        dtype = torch.promote_types(x.dtype, torch.float32)
        pixels = x.shape[2] * x.shape[3]
        found = []
        for sample in x.split(1):
            running = x.new_zeros(2, x.shape[1], dtype=dtype)
            found.append(torch.stack(torch.batch_norm_update_stats(sample, running[0], running[1], 1.0)))  # (2, C)
        mean, variance = torch.stack(found, dim=1)  # (B, C)
        ctx.save_for_backward(x, mean)
        return mean, variance * (pixels / (pixels - 1))

    @staticmethod
    def backward(ctx: Any, of_mean: Tensor, of_variance: Tensor) -> Tensor:
        x, mean = ctx.saved_tensors
        pixels = x.shape[2] * x.shape[3]
        slope = of_variance * (2 / (pixels - 1))  # (B, C)
        constant = of_mean / pixels - slope * mean
        return torch.addcmul(constant[..., None, None], x, slope[..., None, None]).to(x.dtype)
