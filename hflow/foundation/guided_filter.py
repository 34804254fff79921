"""The best local affine change of a frame's colours: a guided filter whose guide has three channels.

What a camera, a light or a smooth recolouring does to a frame is such a change nearly everywhere. Halos, grain, fringes
and things that are not in the frame are what it can't explain.
"""

import torch
from torch import Tensor

from hflow.foundation.window_means import window_means

__all__ = ["contrast_eps", "fitting_radius", "local_affine"]


def local_affine(source: Tensor, image: Tensor, *, radius: int = 8, eps: float | Tensor = 1e-4) -> Tensor:
    """The image as far as it is an affine function of the source's three channels that changes slowly with place.

    The guided filter of He, Sun and Tang (2013, equations 19 to 21): in every window the image's colours are fitted by
    least squares as A s + b of the source's colours s, A 3x3 with a penalty eps; the A and b of the windows around a
    pixel are averaged. Windows end at the picture's edge. It is differentiable in both, and float32 whatever comes.

    Args:
        source, image: (B, 3, H, W) in [0, 1].
        radius: of the square window, 2 radius + 1 pixels wide; less than H and W.
        eps: the penalty, in squares of intensity: a flat region of the source, whose variance is below it, explains
            nothing but its mean. Or one for each picture, (B,).

    Returns:
        (B, 3, H, W).

    Raises:
        ValueError: the shapes differ, or are no images.
    """
    if source.shape != image.shape or source.ndim != 4 or source.shape[1] != 3:
        raise ValueError(f"source {tuple(source.shape)} and image {tuple(image.shape)} must both be (B, 3, H, W)")
    height, width = source.shape[2:]
    # What is exported or compiled holds for every size, and a GPU's kernels are few and large.
    if torch.compiler.is_compiling() or source.device.type != "cpu" or height * width <= BAND:
        return _filtered(source, image, radius, eps)
    rows, reach = max(BAND // width, 4 * radius), 2 * radius
    bands = []
    for top in range(0, height, rows):
        first, end = max(0, top - reach), min(height, top + rows)
        seen = slice(first, end + reach)
        bands.append(_filtered(source[:, :, seen], image[:, :, seen], radius, eps)[:, :, top - first : end - first])
    return torch.cat(bands, dim=2)


def fitting_radius(radius: int, height: int, width: int) -> int:
    """The radius, or in a picture that is smaller than such a window the largest whose window lies inside it."""
    return min(radius, (height - 1) // 2, (width - 1) // 2)


def contrast_eps(source: Tensor) -> Tensor:
    """The eps for each of (B, 3, H, W), (B,): 1e-4, and less in proportion where the whole picture has little contrast.

    In a dark photograph all is below the usual penalty, and would count as flat.
    """
    variance = source.float().var(dim=(2, 3)).mean(dim=1)  # (B,)
    return 1e-4 * (variance / FAINT).clamp(1e-3, 1.0)


FAINT = 0.01
"""The variance, in squares of intensity, below which a picture has little contrast: a street's is four times that."""

BAND = 1 << 17
"""Pixels that a CPU filters at once, so that the maps of a band stay in its cache; the result is the same."""

PAIRS = ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2))
"""The entries of a symmetric 3x3 matrix, in the order they are kept in."""


def _filtered(source: Tensor, image: Tensor, radius: int, eps: float | Tensor) -> Tensor:
    """`local_affine` of the whole at once."""
    with torch.autocast(source.device.type, enabled=False):
        s, y = source.float(), image.float()
        mean_s, mean_y = window_means(s, radius), window_means(y, radius)
        products = torch.stack([s[:, i] * s[:, j] for i, j in PAIRS], dim=1)  # (B, 6, H, W)
        spread = window_means(products, radius) - torch.stack([mean_s[:, i] * mean_s[:, j] for i, j in PAIRS], dim=1)
        crossed = (y[:, :, None] * s[:, None]).flatten(1, 2)  # (B, 9, H, W), image channel by source channel
        crossed = window_means(crossed, radius).unflatten(1, (3, 3)) - mean_y[:, :, None] * mean_s[:, None]
        penalty = torch.as_tensor(eps, device=s.device).reshape(-1, 1, 1)  # (B, 1, 1)
        slope = _times_inverse(crossed, spread, penalty)  # (B, 3, 3, H, W)
        offset = mean_y - (slope * mean_s[:, None]).sum(dim=2)  # (B, 3, H, W)
        slope = window_means(slope.flatten(1, 2), radius).unflatten(1, (3, 3))
        return (slope * s[:, None]).sum(dim=2) + window_means(offset, radius)


def _times_inverse(rows: Tensor, symmetric: Tensor, eps: Tensor) -> Tensor:
    """Rows, (B, 3, 3, H, W), times the inverse of a symmetric matrix, (B, 6, H, W), plus eps, (B, 1, 1)."""
    a, b, c = (symmetric[:, i] + eps for i in range(3))
    d, e, f = (symmetric[:, i] for i in range(3, 6))  # [[a, d, e], [d, b, f], [e, f, c]]
    adjugate = {
        (0, 0): b * c - f * f,
        (1, 1): a * c - e * e,
        (2, 2): a * b - d * d,
        (0, 1): e * f - d * c,
        (0, 2): d * f - e * b,
        (1, 2): d * e - a * f,
    }
    determinant = a * adjugate[0, 0] + d * adjugate[0, 1] + e * adjugate[0, 2]  # at least eps ** 3, up to rounding
    inverse = torch.stack([adjugate[min(i, j), max(i, j)] for i in range(3) for j in range(3)], dim=1)
    inverse = (inverse / torch.maximum(determinant, eps**3)[:, None]).unflatten(1, (3, 3))  # (B, 3, 3, H, W)
    return (rows[:, :, :, None] * inverse[:, None]).sum(dim=2)
