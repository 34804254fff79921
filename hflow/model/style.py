"""The Style-Net: a style code from an image, and from the code the statistics of a coupling's channels."""

import torch
from torch import Tensor, nn

from hflow.foundation.reflection import reflect_pad

__all__ = ["CODE_SIZE", "StyleEncoder", "StyleMapping"]

CODE_SIZE = 8


class StyleEncoder(nn.Sequential):
    """The style encoder of MUNIT (Huang et al. 2018) without normalisation: (B, 3, H, W) in [0, 1] to (B, 8)."""

    def __init__(self) -> None:
        super().__init__(
            _ReflectedConv2d(3, 64, 7, pixels=3),
            nn.ReLU(inplace=True),
            _ReflectedConv2d(64, 128, 4, stride=2, pixels=1),
            nn.ReLU(inplace=True),
            _ReflectedConv2d(128, 256, 4, stride=2, pixels=1),
            nn.ReLU(inplace=True),
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(256, CODE_SIZE, 1),
            nn.Flatten(),
        )

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) in [0, 1] to (B, 8), whose last layers are float32 under autocast too.

        A fit to the target gives the 1x1 convolution weights of 100,000 and more, which float16 does not hold.
        """
        *layers, _, last, _ = self
        assert isinstance(last, nn.Conv2d)
        assert last.bias is not None
        for layer in layers:
            images = layer(images)  # (B, 256, H / 4, W / 4) at the end
        pooled = images.float().mean(dim=(2, 3))  # (B, 256)
        # As products and a sum, which autocast leaves alone where it takes convolutions in its own precision.
        return (pooled[:, None] * last.weight.flatten(1)).sum(dim=2) + last.bias  # (B, 8)


class StyleMapping(nn.Module):
    """The mean and the standard deviation of one coupling's output channels, from a style code.

    Args:
        channels: C, how many output channels the coupling has.
    """

    def __init__(self, channels: int):
        super().__init__()
        self.channels = channels
        self.mlp = nn.Sequential(
            nn.Linear(CODE_SIZE, 3 * channels),
            nn.ReLU(inplace=True),
            nn.Linear(3 * channels, 3 * channels),
            nn.ReLU(inplace=True),
            nn.Linear(3 * channels, 2 * channels),
        )

    @torch.no_grad()
    def start_at(self, mean: Tensor, std: Tensor) -> None:
        """Begin with these statistics, (C,) each, and a tenth of the usual dependence on the code."""
        last = self.mlp[-1]
        assert isinstance(last, nn.Linear)
        last.weight.mul_(0.1)
        last.bias.copy_(torch.cat([mean, std]))

    def forward(self, code: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 8) to mean and std, each (B, C); the std as it comes, its sign included."""
        mean, std = self.mlp(code).chunk(2, dim=1)  # (B, C)
        return mean, std


class _ReflectedConv2d(nn.Conv2d):
    """A convolution after reflection padding by so many pixels, with a repeatable gradient."""

    def __init__(self, channels: int, outputs: int, kernel: int, *, pixels: int, stride: int = 1):
        super().__init__(channels, outputs, kernel, stride=stride)
        self.pixels = pixels

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(reflect_pad(x, self.pixels))
