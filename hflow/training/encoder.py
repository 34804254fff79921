"""The frozen VGG encoders in whose features training measures its losses (paper, section 3.2.3)."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from hflow.foundation.errors import HflowError
from hflow.foundation.imagenet import MEAN, STD
from hflow.metrics.vgg import BlurPool, convolutions, named_by_stage, shift_tolerant_weights

__all__ = ["LAYERS", "Encoder", "load_encoder", "measure_scales"]

LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1")
DEPTHS = {"vgg16": (2, 2, 3, 1), "vgg19": (2, 2, 4, 1)}
"""Convolutions of each stage up to relu4_1, which is the first of the fourth."""


class Encoder(nn.Module):
    """A VGG up to relu4_1, without gradient of its own weights.

    Args:
        depths: the number of convolutions in each of the stages 1 to 4.
        shift_tolerant: pool by a dense maximum and a blur instead of a strided maximum (Ghildyal and Liu 2022).

    `scales` divides each layer's features, so that their mean over target images is 1; see `measure_scales`. With the
    weights of `stages` in bfloat16 the convolutions are, and the features come in float32 still.
    """

    mean: Tensor
    std: Tensor
    scales: Tensor

    def __init__(self, depths: Sequence[int], *, shift_tolerant: bool):
        super().__init__()
        self.stages = convolutions(depths)
        self.pool = BlurPool() if shift_tolerant else nn.MaxPool2d(2)
        self.register_buffer("mean", torch.tensor(MEAN)[:, None, None])
        self.register_buffer("std", torch.tensor(STD)[:, None, None])
        self.register_buffer("scales", torch.ones(len(LAYERS)))
        self.requires_grad_(False)

    def forward(self, images: Tensor, layers: Collection[str] = LAYERS) -> dict[str, Tensor]:
        """Features of images by layer, relu1_1 (B, 64, H, W) to relu4_1 (B, 512, H/8, W/8).

        Args:
            images: (B, 3, H, W) in [0, 1].
            layers: those that are wanted; nothing is computed beyond the deepest of them.
        """
        deepest = max(LAYERS.index(layer) for layer in layers)
        x = (images - self.mean) / self.std  # (B, 3, H, W)
        dtype = self.stages[0].get_parameter("0.weight").dtype
        x = x.to(dtype, memory_format=torch.channels_last)  # Convolutions are fastest so; see load_encoder.
        features = {}
        for number, (layer, stage) in enumerate(zip(LAYERS, self.stages, strict=True)):
            if number:
                x = self.pool(x)
            for depth, convolution in enumerate(stage.children()):
                x = F.relu(convolution(x))
                if depth == 0:
                    if layer in layers:
                        features[layer] = x / self.scales[number, None]  # float32, as the scales are, whatever x is.
                    if number == deepest:
                        return features
        return features


def load_encoder(name: Literal["vgg16", "vgg19"], weights: Path | None = None) -> Encoder:
    """A pretrained encoder.

    Args:
        name: "vgg16" has the shift-tolerant ImageNet weights that the package stlpips-pytorch ships; "vgg19" has
            torchvision's, which are downloaded on first use.
        weights: a file of weights instead, .pth or .safetensors, in torchvision's naming (`features.N.weight`).

    Raises:
        HflowError: the weights can't be had, or are not those of this network.
    """
    if weights is not None:
        state = _torchvision_names(_read_weights(weights), name)
    elif name == "vgg16":
        state = shift_tolerant_weights()
    else:
        from torchvision.models import VGG19_Weights

        try:
            state = _torchvision_names(VGG19_Weights.IMAGENET1K_V1.get_state_dict(progress=True), name)
        except OSError as error:
            raise HflowError(
                f"the weights of vgg19 can't be downloaded ({error}): name a file of them by encoder.weights, "
                "or set encoder.name to vgg16, whose weights are installed with hflow"
            ) from None
    encoder = Encoder(DEPTHS[name], shift_tolerant=name == "vgg16" and weights is None)
    try:
        missing, _ = encoder.load_state_dict(state, strict=False)
    except RuntimeError as error:
        raise HflowError(f"{weights} has not the shapes of {name}: {' '.join(str(error).split())}") from None
    absent = [key for key in missing if key.startswith("stages")]
    if absent:
        raise HflowError(f"{weights} lacks weights of {name}, such as {absent[0]}")
    for convolution in encoder.stages.modules():
        if isinstance(convolution, nn.Conv2d):
            convolution.weight.data = convolution.weight.contiguous(memory_format=torch.channels_last)
    return encoder.eval()


@torch.no_grad()
def measure_scales(encoder: Encoder, images: Iterable[Tensor]) -> Tensor:
    """The mean activation of each layer over batches of target images, (4,): what `Encoder.scales` should be.

    The style loss assumes features of mean 1, as the encoder of Huang and Belongie (2017) has them; dividing by these
    gives lambda the same meaning for every encoder.
    """
    total, count = torch.zeros_like(encoder.scales), 0
    for batch in images:
        features = encoder(batch)
        means = torch.stack([features[layer].mean() for layer in LAYERS]) * encoder.scales
        total += len(batch) * means
        count += len(batch)
    if not count:
        raise ValueError("no images to measure the encoder's activations on")
    return total / count


def _read_weights(path: Path) -> dict[str, Tensor]:
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        # weights_only: a file that a user hands in must not run code.
        return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise HflowError(f"{path} (encoder.weights) is missing") from None
    except Exception as error:
        raise HflowError(f"{path} (encoder.weights) is not a file of weights: {' '.join(str(error).split())}") from None


def _torchvision_names(state: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
    """From features.N.weight, or N.weight, in order, to stages.S.D.weight."""
    names = [k for k, v in state.items() if k.endswith(".weight") and v.ndim == 4]
    return named_by_stage(state, sorted(names, key=lambda key: int(key.split(".")[-2])), DEPTHS[name])
