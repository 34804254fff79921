"""The segmentation networks of torchvision, made fit for short trainings on small frames."""

from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from hflow.foundation.errors import HflowError
from hflow.segmentation.efficientnet import EfficientNetSegmenter, load_imagenet_weights

__all__ = ["NETWORKS", "DilatedConvolution", "segmentation_network"]

EFFICIENTNET = "efficientnet_lite0"
NETWORKS = ("lraspp_mobilenet_v3_large", "deeplabv3_mobilenet_v3_large", "deeplabv3_resnet50", EFFICIENTNET)


def segmentation_network(name: str, classes: int, *, imagenet: bool = False) -> nn.Module:
    """A network without an auxiliary head: (B, 3, H, W), normalised as of ImageNet, to {"out": logits (B, K, H, W)}.

    Args:
        name: one of `NETWORKS`.
        classes: K.
        imagenet: begin with a backbone trained on ImageNet, which torchvision downloads once and, for
            efficientnet_lite0, a package ships; else at random.

    Raises:
        HflowError: the weights can't be downloaded, or their package is not installed.
    """
    if name == EFFICIENTNET:
        segmenter = EfficientNetSegmenter(classes)
        if imagenet:
            load_imagenet_weights(segmenter.backbone)
        return segmenter
    # Here, since importing it takes as long as importing PyTorch, and most translations need no such network.
    from torchvision.models import segmentation
    from torchvision.models.segmentation.deeplabv3 import ASPPConv

    options: dict[str, Any] = {"weights": None, "weights_backbone": None, "num_classes": classes}
    if imagenet:
        options["weights_backbone"] = "IMAGENET1K_V1"
    try:
        network: nn.Module = getattr(segmentation, name)(**options)
    except (OSError, RuntimeError) as error:
        if not imagenet:
            raise
        raise HflowError(f"the ImageNet weights can't be downloaded ({error}): set segment.weights to none") from None
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            # torchvision's MobileNetV3 sets 0.01: after a short training the running statistics would lag far behind.
            module.momentum = 0.1
        if isinstance(module, ASPPConv):
            module[0] = DilatedConvolution.of(module[0])
    return network


class DilatedConvolution(nn.Conv2d):
    """A 3x3 convolution that leaves out what is all padding.

    DeepLabV3 dilates by 12, 24 and 36. Where that is more than the maps are wide and high, as with small frames, eight
    of the nine places see nothing but zeros.
    """

    @staticmethod
    def of(other: nn.Conv2d) -> "DilatedConvolution":
        """The same convolution, sharing its weights; it has no bias."""
        reach = other.dilation[0]
        same = DilatedConvolution(other.in_channels, other.out_channels, 3, padding=reach, dilation=reach, bias=False)
        same.weight = other.weight
        return same

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, C', H, W)."""
        if min(self.dilation) >= max(x.shape[2:]):
            return F.conv2d(x, self.weight[:, :, 1:2, 1:2])
        return super().forward(x)
