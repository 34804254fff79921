"""The generators of other methods of translation without pairs, untrained, to compare speed and size with."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["cut_generator", "cyclegan_generator"]

WIDTH, BLOCKS = 64, 9


def cyclegan_generator() -> nn.Module:
    """CycleGAN's ResNet-9 (Zhu et al. 2017, appendix 7.2): (B, 3, H, W) to the same, H and W multiples of 4."""
    layers = _stem()
    for channels in (WIDTH, 2 * WIDTH):
        layers += [nn.Conv2d(channels, 2 * channels, 3, stride=2, padding=1), *_normalised(2 * channels)]
    layers += [_Block(4 * WIDTH) for _ in range(BLOCKS)]
    for channels in (4 * WIDTH, 2 * WIDTH):
        up = nn.ConvTranspose2d(channels, channels // 2, 3, stride=2, padding=1, output_padding=1)
        layers += [up, *_normalised(channels // 2)]
    return nn.Sequential(*layers, *_head())


def cut_generator() -> nn.Module:
    """CUT's ResNet-9 (Park et al. 2020), the same with antialiased sampling (Zhang 2019): (B, 3, H, W) to the same."""
    layers = _stem()
    for channels in (WIDTH, 2 * WIDTH):
        layers += [nn.Conv2d(channels, 2 * channels, 3, padding=1), *_normalised(2 * channels), _Down(2 * channels)]
    layers += [_Block(4 * WIDTH) for _ in range(BLOCKS)]
    for channels in (4 * WIDTH, 2 * WIDTH):
        layers += [_Up(channels), nn.Conv2d(channels, channels // 2, 3, padding=1), *_normalised(channels // 2)]
    return nn.Sequential(*layers, *_head())


def _stem() -> list[nn.Module]:
    return [nn.Conv2d(3, WIDTH, 7, padding=3, padding_mode="reflect"), *_normalised(WIDTH)]


def _head() -> list[nn.Module]:
    return [nn.Conv2d(WIDTH, 3, 7, padding=3, padding_mode="reflect"), nn.Tanh()]


def _normalised(channels: int) -> list[nn.Module]:
    return [nn.InstanceNorm2d(channels), nn.ReLU(inplace=True)]


class _Block(nn.Module):
    def __init__(self, channels: int):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, padding_mode="reflect"),
            *_normalised(channels),
            nn.Conv2d(channels, channels, 3, padding=1, padding_mode="reflect"),
            nn.InstanceNorm2d(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)


class _Down(nn.Module):
    """Blur and take every second pixel: (B, C, H, W) to (B, C, H/2, W/2)."""

    filter: Tensor

    def __init__(self, channels: int):
        super().__init__()
        taps = torch.tensor([1.0, 2.0, 1.0]) / 4
        self.register_buffer("filter", torch.outer(taps, taps).expand(channels, 1, 3, 3).clone())

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(F.pad(x, [1, 1, 1, 1], mode="reflect"), self.filter, stride=2, groups=x.shape[1])


class _Up(nn.Module):
    """Put zeros between the pixels and blur: (B, C, H, W) to (B, C, 2H, 2W)."""

    filter: Tensor

    def __init__(self, channels: int):
        super().__init__()
        taps = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 4
        self.register_buffer("filter", torch.outer(taps, taps).expand(channels, 1, 4, 4).clone())

    def forward(self, x: Tensor) -> Tensor:
        x = F.pad(x, [1, 1, 1, 1], mode="replicate")
        return F.conv_transpose2d(x, self.filter, stride=2, padding=2, groups=x.shape[1])[..., 1:-1, 1:-1]
