"""The shift-tolerant VGG-16 of the package stlpips-pytorch: a perceptual distance, and a feature space that needs no
download.

The package carries the weights and imports what it does not declare; so the file is read and the forward pass is here.
"""

from importlib import resources

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["MIN_SIDE", "ShiftTolerantVGG", "load_vgg", "unit_length"]

MIN_SIDE = 18
"""The least height and width of an image; a smaller one can't be reflected at the last pooling."""

WIDTHS, DEPTHS = (64, 128, 256, 512, 512), (2, 2, 3, 3, 3)
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class ShiftTolerantVGG(nn.Module):
    """VGG-16 whose pooling is a dense maximum and a blur (Zhang 2019), with the weights of ST-LPIPS."""

    mean: Tensor
    std: Tensor
    blur: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.stages = nn.ModuleList()
        channels = 3
        for width, depth in zip(WIDTHS, DEPTHS, strict=True):
            inputs = [channels] + [width] * (depth - 1)
            self.stages.append(nn.ModuleList(nn.Conv2d(c, width, 3, padding=1) for c in inputs))
            channels = width
        self.weights = nn.ParameterList(torch.zeros(width) for width in WIDTHS)
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN)[:, None, None])
        self.register_buffer("std", torch.tensor(IMAGENET_STD)[:, None, None])
        blur = torch.tensor([1.0, 2.0, 1.0])
        self.register_buffer("blur", torch.outer(blur, blur)[None, None] / 16)
        self.requires_grad_(False)

    def forward(self, images: Tensor) -> list[Tensor]:
        """relu1_2, (B, 64, H, W), to relu5_3, (B, 512, H / 16, W / 16), of images (B, 3, H, W) in [0, 1]."""
        x = (images - self.mean) / self.std  # (B, 3, H, W)
        taps: list[Tensor] = []
        for number, stage in enumerate(self.stages):
            if number:
                x = F.pad(F.max_pool2d(x, 2, stride=1), [2, 2, 2, 2], mode="reflect")
                x = F.conv2d(x, self.blur.expand(x.shape[1], 1, 3, 3), stride=2, groups=x.shape[1])
            for convolution in stage.children():
                x = F.relu(convolution(x))
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
        total = torch.zeros(len(images), device=images.device)
        for a, b, weight in zip(self(images), self(reference), self.weights, strict=True):
            difference = (unit_length(a) - unit_length(b)).square()  # (B, C, h, w)
            total += (difference * weight.view(-1, 1, 1)).sum(dim=1).mean(dim=(1, 2))
        return total


def load_vgg() -> ShiftTolerantVGG:
    """The network with the weights that stlpips-pytorch carries."""
    shipped = resources.files("stlpips_pytorch").joinpath("weights/vST0.0/vgg_shift_tolerant.pth")
    with resources.as_file(shipped) as path:
        state = torch.load(path, map_location="cpu", weights_only=True)
    kernels = [key for key in state if key.startswith("net.slice") and key.endswith(".weight")]
    kernels.sort(key=lambda key: int(key.split(".")[2]))
    names = [f"stages.{stage}.{number}" for stage, depth in enumerate(DEPTHS) for number in range(depth)]
    weights = {f"{name}.weight": state[key] for name, key in zip(names, kernels, strict=True)}
    weights |= {
        f"{name}.bias": state[f"{key.removesuffix('weight')}bias"] for name, key in zip(names, kernels, strict=True)
    }
    weights |= {f"weights.{i}": state[f"lin{i}.model.1.weight"].flatten() for i in range(len(WIDTHS))}
    network = ShiftTolerantVGG()
    network.load_state_dict(weights | dict(network.named_buffers()))
    return network.eval()


def unit_length(features: Tensor) -> Tensor:
    """Features, (B, C, h, w), divided by their length at each place."""
    return features / (features.square().sum(dim=1, keepdim=True).sqrt() + 1e-10)
