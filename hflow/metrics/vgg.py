"""What networks of the VGG family are built of, and the shift-tolerant VGG-16 weights of the package stlpips-pytorch.

The package carries the weights and imports what it does not declare; so the file is read and the layers are here.
"""

from collections.abc import Mapping, Sequence
from importlib import resources

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hflow.foundation.reflection import reflect_pad

__all__ = ["VGG16_DEPTHS", "WIDTHS", "BlurPool", "convolutions", "named_by_stage", "shift_tolerant_weights"]

WIDTHS = (64, 128, 256, 512, 512)
"""Channels of each stage."""

VGG16_DEPTHS = (2, 2, 3, 3, 3)
"""Convolutions of each stage."""


class BlurPool(nn.Module):
    """Halves height and width by a dense maximum and a blur (Zhang 2019): (B, C, H, W) to (B, C, H/2, W/2)."""

    blur: Tensor

    def __init__(self) -> None:
        super().__init__()
        taps = torch.tensor([1.0, 2.0, 1.0])
        self.register_buffer("blur", torch.outer(taps, taps)[None, None] / 16)

    def forward(self, x: Tensor) -> Tensor:
        x = reflect_pad(F.max_pool2d(x, 2, stride=1), 2)
        return F.conv2d(x, self.blur.to(x.dtype).expand(x.shape[1], 1, 3, 3), stride=2, groups=x.shape[1])


def convolutions(depths: Sequence[int]) -> nn.ModuleList:
    """The 3x3 convolutions of the first stages, a list a stage, each as many as `depths` says; the first takes RGB."""
    stages, channels = nn.ModuleList(), 3
    for width, depth in zip(WIDTHS, depths, strict=False):
        inputs = [channels] + [width] * (depth - 1)
        stages.append(nn.ModuleList(nn.Conv2d(c, width, 3, padding=1) for c in inputs))
        channels = width
    return stages


def named_by_stage(state: Mapping[str, Tensor], kernels: Sequence[str], depths: Sequence[int]) -> dict[str, Tensor]:
    """Weights under the names that they have in a network whose `stages` are `convolutions(depths)`.

    Args:
        state: weights by the names of another network.
        kernels: the names of its convolutions' weights, from the first on; what is over is left out.
        depths: convolutions of each stage.
    """
    places = [(stage, number) for stage, depth in enumerate(depths) for number in range(depth)]
    renamed = {}
    for (stage, number), kernel in zip(places, kernels, strict=False):
        prefix = kernel.removesuffix(".weight")
        for part in ("weight", "bias"):
            if f"{prefix}.{part}" in state:
                renamed[f"stages.{stage}.{number}.{part}"] = state[f"{prefix}.{part}"]
    return renamed


def shift_tolerant_weights() -> dict[str, Tensor]:
    """The weights of ST-LPIPS (Ghildyal and Liu 2022).

    Returns:
        Those of the convolutions as `stages.STAGE.NUMBER.weight` and `.bias`, for stages pooled by `BlurPool`; and as
        `weights.STAGE`, (C,), how much each channel of a stage's last features weighs in the distance.
    """
    shipped = resources.files("stlpips_pytorch").joinpath("weights/vST0.0/vgg_shift_tolerant.pth")
    with resources.as_file(shipped) as path:
        state = torch.load(path, map_location="cpu", weights_only=True)
    kernels = [name for name in state if name.startswith("net.slice") and name.endswith(".weight")]
    kernels.sort(key=lambda name: int(name.split(".")[2]))
    of_channels = {f"weights.{stage}": state[f"lin{stage}.model.1.weight"].flatten() for stage in range(len(WIDTHS))}
    return named_by_stage(state, kernels, VGG16_DEPTHS) | of_channels
