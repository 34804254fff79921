"""Invented detail: what a translation shows that no change of colours of its source explains."""

import torch
from torch import Tensor

from hflow.foundation.guided_filter import local_affine

__all__ = ["DETAIL_LIMIT", "invented_detail"]

DETAIL_LIMIT = 3.3
"""Grey levels: half of the invented detail of Fourier domain adaptation, whose fringes are plain to see."""


@torch.no_grad()
def invented_detail(source: Tensor, translated: Tensor, *, radius: int = 8, eps: float = 1e-4) -> Tensor:
    """The RMS, in grey levels, of what is left of each translation after the best local affine change of its source.

    Halos, grain, coloured fringes and things that were not there raise it; a smooth recolouring hardly does, also one
    that changes slowly over the picture. See `local_affine`.

    Args:
        source, translated: (B, 3, H, W) in [0, 1]; H and W above `radius`.
        radius: of the window in which a change is affine.
        eps: below this variance a window of the source counts as flat.

    Returns:
        (B,), from 0 to 255; lower is better. On frames of CARLA at 256x96: the frame itself 0.65, since faint texture
        counts as flat, Reinhard's transfer 1.4, the untrained network 2.2, FDA 6.6, histogram matching 8.1. A noise of
        one grey level on a flat picture gives about 1.

    Example:
        >>> frames = torch.rand(2, 3, 32, 48)
        >>> invented_detail(frames, 0.5 * frames + 0.2) < 0.1
        tensor([True, True])
    """
    left = translated.float() - local_affine(source, translated, radius=radius, eps=eps)
    return 255 * left.square().mean(dim=(1, 2, 3)).sqrt()
