"""The losses of training, measured in an encoder's features (paper, section 3.2.3)."""

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from hflow.foundation.errors import HflowError
from hflow.foundation.guided_filter import contrast_eps, fitting_radius, local_affine
from hflow.model.channel_statistics import moments
from hflow.model.correction import dark_channel

__all__ = ["CONTENT_LAYER", "aligned_style_loss", "content_loss", "dark_channel_loss", "detail_loss"]

CONTENT_LAYER = "relu4_1"

DETAIL_RADIUS = 4
"""Of the windows of the penalty: narrower than the metric's, since halos are a few pixels wide."""

DARK_SHARE = 7 / 460
"""The radius of a dark channel's windows, as a share of the shorter side: that of He and others in photographs."""

Features = Mapping[str, Tensor]


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


def detail_loss(output: Tensor, content: Tensor) -> Tensor:
    """Invented detail: the mean square of what no local affine change of the content's colours explains.

    The style loss asks for the texture of photographs where the content is flat, and is content with halos and grain;
    nothing in the paper's loss stands against them. Not in the paper.

    Args:
        output, content: images (B, 3, H, W) in [0, 1].
    """
    radius = fitting_radius(DETAIL_RADIUS, *content.shape[2:])
    return (output.float() - local_affine(content, output, radius=radius, eps=contrast_eps(content))).square().mean()


def dark_channel_loss(output: Tensor, style: Tensor) -> Tensor:
    """Haze that is left: how far the dark channel is from the style image's, in its mean and its std, squared.

    In a clear picture nearly every neighbourhood holds something dark in one of its colours, and haze lifts it, the
    more the further away (He and others 2011). The statistics of whole channels don't tell haze from a pale wall;
    these do, place by place. Not in the paper.

    Args:
        output, style: images (B, 3, H, W) and (B, 3, h, w) in [0, 1].
    """
    (mean, std), (wanted_mean, wanted_std) = (_statistics(_dark_channel(image.float())) for image in (output, style))
    return (mean - wanted_mean).square().mean() + (std - wanted_std).square().mean()


def _dark_channel(images: Tensor) -> Tensor:
    """(B, 1, H, W): the least value of any channel in the neighbourhood, 15 pixels wide in a picture 460 high."""
    radius = max(1, round(min(images.shape[2:]) * DARK_SHARE))
    return dark_channel(images, 2 * radius + 1)


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
