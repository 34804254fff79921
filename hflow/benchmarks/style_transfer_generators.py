"""The networks of artistic style transfer that the paper's table 6 has, untrained, to compare speed and size with.

The statistics of the style are known, as with a style bank: what is timed is the content's way alone.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["adain_generator", "artflow_generator"]

RELU4_1 = (64, 64, "pool", 128, 128, "pool", 256, 256, 256, 256, "pool", 512)
"""VGG-19 up to relu4_1."""

FLOWS, BLOCKS, HIDDEN = 8, 2, 512
"""Of ArtFlow: steps of flow a block, blocks, channels within a coupling."""


def adain_generator() -> nn.Module:
    """AdaIN (Huang and Belongie 2017): VGG-19 to relu4_1, the style's statistics, and a decoder that mirrors it.

    (B, 3, H, W) to the same, H and W multiples of 8.
    """
    layers: list[nn.Module] = []
    channels = 3
    for width in RELU4_1:
        if isinstance(width, int):
            layers += [_convolution(channels, width), nn.ReLU(inplace=True)]
            channels = width
        else:
            layers.append(nn.MaxPool2d(2))
    layers.append(_AdaIN(channels))
    widths = [width for width in RELU4_1 if isinstance(width, int)]
    inputs = iter([3, *widths[:-1]])
    back: list[nn.Module] = []
    for width in RELU4_1:
        if isinstance(width, int):
            back = [_convolution(width, next(inputs)), nn.ReLU(inplace=True), *back]
        else:
            back = [nn.Upsample(scale_factor=2), *back]
    return nn.Sequential(*layers, *back[:-1])


def artflow_generator() -> nn.Module:
    """ArtFlow's projection flow network (An and others 2021), with AdaIN between its way there and its way back.

    (B, 3, H, W) to the same, H and W multiples of 4. Two blocks of eight steps; a step is a scale and shift by channel,
    an invertible 1x1 convolution and an additive coupling (Kingma and Dhariwal 2018).
    """
    return _ArtFlow()


def _convolution(channels: int, outputs: int) -> nn.Module:
    return nn.Conv2d(channels, outputs, 3, padding=1, padding_mode="reflect")


class _AdaIN(nn.Module):
    """Gives each channel of (B, C, H, W) the style's mean and std."""

    mean: Tensor
    std: Tensor

    def __init__(self, channels: int):
        super().__init__()
        self.register_buffer("mean", torch.rand(channels, 1, 1))
        self.register_buffer("std", 0.5 + torch.rand(channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        std, mean = torch.std_mean(x, dim=(2, 3), keepdim=True)
        return (x - mean) / (std + 1e-5) * self.std + self.mean


class _Step(nn.Module):
    """One step of flow: (B, C, H, W) to the same, and back."""

    def __init__(self, channels: int):
        super().__init__()
        self.shift = nn.Parameter(torch.zeros(channels, 1, 1))
        self.scale = nn.Parameter(torch.ones(channels, 1, 1))
        rotation, _ = torch.linalg.qr(torch.randn(channels, channels))
        self.mixing = nn.Parameter(rotation)
        self.coupling = nn.Sequential(
            nn.Conv2d(channels // 2, HIDDEN, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(HIDDEN, HIDDEN, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(HIDDEN, channels // 2, 3, padding=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        x = F.conv2d(self.scale * (x + self.shift), self.mixing[..., None, None])
        a, b = x.chunk(2, dim=1)
        return torch.cat([a, b + self.coupling(a)], dim=1)

    def inverse(self, y: Tensor) -> Tensor:
        a, b = y.chunk(2, dim=1)
        y = torch.cat([a, b - self.coupling(a)], dim=1)
        return F.conv2d(y, torch.linalg.inv(self.mixing)[..., None, None]) / self.scale - self.shift


class _ArtFlow(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        sizes = [3 * 4**block for block in range(1, BLOCKS + 1)]
        self.blocks = nn.ModuleList(nn.ModuleList(_Step(size) for _ in range(FLOWS)) for size in sizes)
        self.transfer: nn.Module = _AdaIN(sizes[-1])

    def forward(self, x: Tensor) -> Tensor:
        for block in self.blocks:
            assert isinstance(block, nn.ModuleList)
            x = F.pixel_unshuffle(x, 2)
            for step in block:
                x = step(x)
        x = self.transfer(x)
        for block in reversed(self.blocks):
            assert isinstance(block, nn.ModuleList)
            for step in reversed(block):
                assert isinstance(step, _Step)
                x = step.inverse(x)
            x = F.pixel_shuffle(x, 2)
        return x
