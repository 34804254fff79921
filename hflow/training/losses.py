"""The frozen VGG encoders, and the loss measured in their features (paper, section 3.2.3)."""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Literal

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from hflow.foundation.errors import HflowError
from hflow.model.statistics import moments

__all__ = ["CONTENT_LAYER", "Encoder", "aligned_style_loss", "content_loss", "load_encoder", "measure_scales"]

CONTENT_LAYER = "relu4_1"
LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1")
WIDTHS = (64, 128, 256, 512)
DEPTHS = {"vgg16": (2, 2, 3), "vgg19": (2, 2, 4)}
"""Convolutions of each stage before relu4_1; relu4_1 is the first of the fourth."""

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

Features = Mapping[str, Tensor]


class Encoder(nn.Module):
    """A VGG up to relu4_1, without gradient of its own weights.

    Args:
        depths: the number of convolutions in each of the stages 1 to 3.
        shift_tolerant: pool by a dense maximum and a blur instead of a strided maximum (Ghildyal and Liu 2022).

    `scales` divides each layer's features, so that their mean over target images is 1; see `measure_scales`. With the
    weights of `stages` in bfloat16 the convolutions are, and the features come in float32 still.
    """

    mean: Tensor
    std: Tensor
    scales: Tensor
    blur: Tensor

    def __init__(self, depths: Sequence[int], *, shift_tolerant: bool):
        super().__init__()
        self.shift_tolerant = shift_tolerant
        self.stages = nn.ModuleList()
        channels = 3
        for width, depth in zip(WIDTHS, (*depths, 1), strict=True):
            inputs = [channels] + [width] * (depth - 1)
            self.stages.append(nn.Sequential(*(nn.Conv2d(c, width, 3, padding=1) for c in inputs)))
            channels = width
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN)[:, None, None])
        self.register_buffer("std", torch.tensor(IMAGENET_STD)[:, None, None])
        self.register_buffer("scales", torch.ones(len(LAYERS)))
        blur = torch.tensor([1.0, 2.0, 1.0])
        self.register_buffer("blur", torch.outer(blur, blur)[None, None] / 16)
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
                x = self._pool(x)
            for depth, convolution in enumerate(stage.children()):
                x = F.relu(convolution(x))
                if depth == 0:
                    if layer in layers:
                        features[layer] = x / self.scales[number, None]  # float32, as the scales are, whatever x is.
                    if number == deepest:
                        return features
        return features

    def _pool(self, x: Tensor) -> Tensor:
        if not self.shift_tolerant:
            return F.max_pool2d(x, 2)
        x = F.pad(F.max_pool2d(x, 2, stride=1), [2, 2, 2, 2], mode="reflect")
        return F.conv2d(x, self.blur.to(x.dtype).expand(x.shape[1], 1, 3, 3), stride=2, groups=x.shape[1])


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
        shipped = resources.files("stlpips_pytorch").joinpath("weights/vST0.0/vgg_shift_tolerant.pth")
        with resources.as_file(shipped) as path:
            state = _slice_names(torch.load(path, map_location="cpu", weights_only=True))
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


def content_loss(output: Features, content: Features) -> Tensor:
    """Equation 5: mean squared difference of the channel-normalised features of relu4_1. Features are (B, C, H, W)."""
    return F.mse_loss(_normalise(output[CONTENT_LAYER]), _normalise(content[CONTENT_LAYER]))


def aligned_style_loss(
    output: Features, style: Features, *, k: float, layers: Sequence[str], std_weight: float = 1.0, bands: int = 1
) -> Tensor:
    """Equations 6 and 7: differences of the channels' means and standard deviations, of the aligned channels alone.

    For each sample by itself, the share `k` of a layer's channels whose means differ least is chosen; the squared
    differences of their means and of their stds are averaged over all the layer's channels and over the batch, and
    summed over layers. So a batch gives the mean of what its samples give.

    Args:
        output, style: features by layer, (B, C, H, W); H and W of the two may differ, H is at least `bands`.
        k: in (0, 1]; 1 is the plain style loss.
        layers: the layers that count.
        std_weight: of the term of the stds; 1 in the paper.
        bands: of equal height, from the top down, each compared with the same one of the style as a sample of its own;
            1, the whole image, in the paper.
    """
    total = torch.zeros((), device=output[layers[0]].device)
    for layer in layers:
        output_mean, output_std = _band_statistics(output[layer], bands)  # (bands B, C)
        style_mean, style_std = _band_statistics(style[layer], bands)
        of_means = (output_mean - style_mean).square()
        of_stds = (output_std - style_std).square()
        chosen = math.floor(k * of_means.shape[1] + 1e-9)
        aligned = torch.zeros_like(of_means)
        aligned.scatter_(1, of_means.detach().argsort(dim=1, stable=True)[:, :chosen], 1.0)
        total = total + ((of_means + std_weight * of_stds) * aligned).mean()
    return total


def _band_statistics(features: Tensor, bands: int) -> tuple[Tensor, Tensor]:
    """Of (B, C, H, W), the mean and the std of each band and channel, (bands B, C) each."""
    if features.shape[2] < bands:
        raise HflowError(f"features {features.shape[2]} pixels high have no {bands} bands: lower loss.bands")
    means, stds = zip(*(_statistics(band) for band in features.tensor_split(bands, dim=2)), strict=True)
    return torch.cat(means), torch.cat(stds)


def _statistics(features: Tensor, eps: float = 1e-5) -> tuple[Tensor, Tensor]:
    mean, variance = moments(features)  # (B, C)
    return mean, (variance + eps).sqrt()


def _normalise(features: Tensor) -> Tensor:
    mean, std = _statistics(features)
    return (features - mean[..., None, None]) / std[..., None, None]


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


def _slice_names(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """From net.sliceS.N.weight, in order, to stages.S.D.weight."""
    names = [key for key in state if key.startswith("net.slice") and key.endswith(".weight")]
    return _in_order(state, sorted(names, key=lambda key: int(key.split(".")[2])), DEPTHS["vgg16"])


def _torchvision_names(state: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
    """From features.N.weight, or N.weight, in order, to stages.S.D.weight."""
    names = [k for k, v in state.items() if k.endswith(".weight") and v.ndim == 4]
    return _in_order(state, sorted(names, key=lambda key: int(key.split(".")[-2])), DEPTHS[name])


def _in_order(state: Mapping[str, Tensor], names: Sequence[str], depths: Sequence[int]) -> dict[str, Tensor]:
    places = [(stage, depth) for stage, count in enumerate((*depths, 1)) for depth in range(count)]
    renamed = {}
    for (stage, depth), name in zip(places, names, strict=False):
        prefix = name.removesuffix(".weight")
        for part in ("weight", "bias"):
            if f"{prefix}.{part}" in state:
                renamed[f"stages.{stage}.{depth}.{part}"] = state[f"{prefix}.{part}"]
    return renamed
