"""AdaIN (paper, equation 3): every channel gets the mean and the standard deviation of a style."""

import torch
from torch import Tensor

__all__ = ["adain", "adain_as_affine"]


def adain(x: Tensor, mean: Tensor, std: Tensor, eps: float = 1e-5) -> Tensor:
    """Give every channel of `x` the mean and standard deviation asked for (paper, equation 3).

    Args:
        x: (B, C, H, W).
        mean, std: (B, C). A negative std turns the channel's sign around.
        eps: added to the variance, which is the unbiased one.

    Returns:
        (B, C, H, W).
    """
    variance, centre = torch.var_mean(x, dim=(2, 3), keepdim=True, correction=1)  # (B, C, 1, 1)
    return (x - centre) * (std[..., None, None] * torch.rsqrt(variance + eps)) + mean[..., None, None]


def adain_as_affine(
    centre: Tensor, variance: Tensor, mean: Tensor, std: Tensor, eps: float = 1e-5
) -> tuple[Tensor, Tensor]:
    """`adain` as gain * x + offset, from the statistics of x.

    Args:
        centre, variance: (B, C, 1, 1), of x; the variance is the unbiased one.
        mean, std, eps: as for `adain`.

    Returns:
        gain, offset: (B, C, 1, 1).
    """
    gain = std[..., None, None] * torch.rsqrt(variance + eps)
    return gain, mean[..., None, None] - gain * centre
