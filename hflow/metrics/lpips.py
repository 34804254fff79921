"""ST-LPIPS, a perceptual distance, in the features of the shift-tolerant VGG-16, which needs no download."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hflow.foundation.imagenet import MEAN, STD
from hflow.metrics.vgg import VGG16_DEPTHS, WIDTHS, BlurPool, convolutions, shift_tolerant_weights

__all__ = ["MIN_SIDE", "ShiftTolerantVGG", "load_vgg", "unit_length"]

MIN_SIDE = 18
"""The least height and width of an image; a smaller one can't be reflected at the last pooling."""


class ShiftTolerantVGG(nn.Module):
    """VGG-16 whose pooling is a dense maximum and a blur (Zhang 2019), with the weights of ST-LPIPS."""

    mean: Tensor
    std: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.stages = convolutions(VGG16_DEPTHS)
        self.pool = BlurPool()
        self.weights = nn.ParameterList(torch.zeros(width) for width in WIDTHS)
        self.register_buffer("mean", torch.tensor(MEAN)[:, None, None])
        self.register_buffer("std", torch.tensor(STD)[:, None, None])
        self.requires_grad_(False)

    def forward(self, images: Tensor) -> list[Tensor]:
        """relu1_2, (B, 64, H, W), to relu5_3, (B, 512, H / 16, W / 16), of images (B, 3, H, W) in [0, 1]."""
        x = (images - self.mean) / self.std  # (B, 3, H, W)
        taps: list[Tensor] = []
        for number, stage in enumerate(self.stages):
            if number:
                x = self.pool(x)
            for convolution in stage.children():
                x = F.relu_(convolution(x))
            taps.append(x)
        return taps

    @torch.inference_mode()
    def distance(self, images: Tensor, reference: Tensor) -> Tensor:
        """ST-LPIPS (Ghildyal and Liu 2022) of each image to its reference, at their own size.

        The squared differences of features of unit length, weighted a channel as people judged, averaged over the
        picture, summed over relu1_2, relu2_2, relu3_3, relu4_3, relu5_3. Shifting one of the two by a pixel or two
        changes little.

        Args:
            images, reference: (B, 3, H, W) in [0, 1], H and W at least 18.

        Returns:
            (B,), at least 0; lower is closer, 0 is equal.
        """
        seen, _ = self.look(images)
        return self.between(seen, seen if torch.equal(images, reference) else self.look(reference)[0])

    @torch.inference_mode()
    def look(self, images: Tensor) -> tuple[list[Tensor], Tensor]:
        """What `between` compares, and relu5_3, (B, 512, H / 16, W / 16), of which a feature space may be made.

        Args:
            images: (B, 3, H, W) in [0, 1], H and W at least 18.
        """
        if images.device.type == "cpu":  # its pooling and its lengths are faster where channels come last
            images = images.contiguous(memory_format=torch.channels_last)
        taps = self(images)
        deepest = taps[-1].clone()
        for tap in taps:
            tap.div_(_length(tap))
        return taps, deepest

    @torch.inference_mode()
    def between(self, seen: Sequence[Tensor], reference: Sequence[Tensor]) -> Tensor:
        """The distance of images, (B,), by what `look` sees in them and in their references."""
        total = torch.zeros(len(seen[0]), device=seen[0].device)
        for a, b, weight in zip(seen, reference, self.weights, strict=True):
            difference = (a - b).square_()  # (B, C, h, w)
            total += F.conv2d(difference, weight.view(1, -1, 1, 1)).mean(dim=(1, 2, 3))
        return total


def load_vgg() -> ShiftTolerantVGG:
    """The network with the weights that stlpips-pytorch carries."""
    network = ShiftTolerantVGG()
    network.load_state_dict(shift_tolerant_weights() | dict(network.named_buffers()))
    return network.eval()


def unit_length(features: Tensor) -> Tensor:
    """Features, (B, C, h, w), divided by their length at each place."""
    return features / _length(features)


def _length(features: Tensor) -> Tensor:
    return torch.linalg.vector_norm(features, dim=1, keepdim=True) + 1e-10
