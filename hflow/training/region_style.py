"""Style by region: the statistics of road in the frame against road in the photograph, sky against sky.

A frame that is half sky and a photograph that has little of it can't agree over the whole picture: to match the mean,
the sky has to become as dark as a street. Region by region both can be right.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = [
    "COLOUR",
    "RegionStatistics",
    "Regions",
    "band_masks",
    "fill_missing",
    "label_masks",
    "region_statistics",
    "region_style_loss",
    "typical_statistics",
    "with_colour",
]

LEAST_SHARE = 0.002
"""Of the picture: a region with less of it, in either image, says little and is left alone (49 pixels of 256x96)."""

COLOUR, COLOUR_UNIT = "rgb", 0.25
"""The image itself as one more layer, in units of a usual contrast, so that its statistics are about 1 like others."""

Features = Mapping[str, Tensor]


@dataclass(frozen=True)
class RegionStatistics:
    """What the channels of one layer are like in each region.

    Attributes:
        mean, std: (B, R, C), float32; 0 where a region is empty.
        share: (B, R), of the picture that is the region's, in [0, 1].
    """

    mean: Tensor
    std: Tensor
    share: Tensor


@dataclass(frozen=True)
class Regions:
    """The regions of a batch, and what each is like in the target.

    Attributes:
        content, style: masks of both, (B, R, H, W) and (B, R, h, w).
        typical: by layer, of batch size 1: stands in where a style image lacks a region. None leaves it alone there.
    """

    content: Tensor
    style: Tensor
    typical: Mapping[str, RegionStatistics] | None = None


def with_colour(features: Features, images: Tensor) -> dict[str, Tensor]:
    """The features and, as the layer `COLOUR`, the images, (B, 3, H, W) in [0, 1].

    VGG's first layers mix colour with edges, so colours alone are a small part of their loss; here they are all of it.
    """
    return {**features, COLOUR: images / COLOUR_UNIT}


def label_masks(ids: Tensor, classes: int, bands: int = 1) -> Tensor:
    """One mask a class and band, float32 (B, K bands, H, W), of train ids, integers (B, H, W).

    Ids without a class are in none. Where the classes are few, bands tell the sky of a class "other" from its walls.
    """
    masks = (ids[:, None] == torch.arange(classes, device=ids.device)[:, None, None]).float()
    if bands == 1:
        return masks
    parts = band_masks((ids.shape[1], ids.shape[2]), bands).to(ids.device)
    return (masks[:, :, None] * parts[:, None]).flatten(1, 2)


def band_masks(size: tuple[int, int], bands: int) -> Tensor:
    """Masks of bands of equal height, from the top down, float32 (1, bands, H, W), of a picture's size (H, W)."""
    rows = (torch.arange(size[0]) * bands).div(size[0], rounding_mode="floor")  # (H,)
    return (rows == torch.arange(bands)[:, None]).float()[None, :, :, None].expand(1, bands, *size)


def region_statistics(features: Features, masks: Tensor, eps: float = 1e-5) -> dict[str, RegionStatistics]:
    """The statistics of every region in every layer.

    Args:
        features: by layer, (B, C, h, w).
        masks: (B, R, H, W), how far each pixel belongs to each region; averaged down to a layer's size, so that a
            place that lies in two regions counts in both by halves.
        eps: added to the variance, which is the biased one.
    """
    found = {}
    for layer, maps in features.items():
        weights = F.adaptive_avg_pool2d(masks, (maps.shape[2], maps.shape[3])).flatten(2)  # (B, R, h w)
        sums = weights.sum(dim=2)  # (B, R)
        weights = weights / sums.clamp_min(1e-6)[..., None]
        flat = maps.float().flatten(2).transpose(1, 2)  # (B, h w, C)
        mean = weights @ flat  # (B, R, C)
        variance = (weights @ flat.square() - mean.square()).clamp_min(0)
        found[layer] = RegionStatistics(mean, (variance + eps).sqrt(), sums / (maps.shape[2] * maps.shape[3]))
    return found


def typical_statistics(samples: Sequence[Mapping[str, RegionStatistics]]) -> dict[str, RegionStatistics]:
    """The mean statistics of each region over images, by its share of each, of batch size 1.

    A region that is nowhere to be found has the share 0. One that some images have gets at least `LEAST_SHARE`.
    """
    found = {}
    for layer in samples[0]:
        mean, std, share = (
            torch.cat([getattr(sample[layer], part) for sample in samples]) for part in ("mean", "std", "share")
        )
        share = torch.where(share >= LEAST_SHARE, share, 0.0)  # (N, R)
        total = share.sum(dim=0, keepdim=True)  # (1, R)
        weights = (share / total.clamp_min(1e-9))[..., None]  # (N, R, 1)
        typical = torch.where(total > 0, (total / len(share)).clamp_min(LEAST_SHARE), 0.0)
        found[layer] = RegionStatistics(
            (weights * mean).sum(dim=0, keepdim=True), (weights * std).sum(dim=0, keepdim=True), typical
        )
    return found


def fill_missing(
    style: Mapping[str, RegionStatistics], typical: Mapping[str, RegionStatistics]
) -> dict[str, RegionStatistics]:
    """The style's statistics, and the typical ones, of batch size 1, of the regions that it hardly has."""
    filled = {}
    for layer, ours in style.items():
        missing = (ours.share < LEAST_SHARE)[..., None]  # (B, R, 1)
        filled[layer] = RegionStatistics(
            torch.where(missing, typical[layer].mean, ours.mean),
            torch.where(missing, typical[layer].std, ours.std),
            torch.where(missing[..., 0], typical[layer].share, ours.share),
        )
    return filled


def region_style_loss(
    output: Mapping[str, RegionStatistics],
    style: Mapping[str, RegionStatistics],
    *,
    k: float = 1.0,
    std_weight: float = 1.0,
    layer_weights: Sequence[float] | None = None,
) -> Tensor:
    """Equations 6 and 7 region by region: a region counts by the root of its share of the frame.

    With one region, the whole picture, it is `aligned_style_loss` but for the biased variance. By the root, since by
    the share itself road and sky would be all that counts, and with equal weights a sign as much as the road.

    Args:
        output, style: by layer; regions of which either has less than `LEAST_SHARE` of the picture are left alone.
        k: the share of channels whose means differ least, chosen in each region by itself.
        std_weight: of the stds' term.
        layer_weights: one a layer, in the order of `output`; None is 1 each.
    """
    total = torch.zeros((), device=next(iter(output.values())).mean.device)
    for number, (layer, ours) in enumerate(output.items()):
        theirs = style[layer]
        of_means = (ours.mean - theirs.mean).square()  # (B, R, C)
        of_stds = (ours.std - theirs.std).square()
        chosen = max(1, int(k * of_means.shape[2] + 1e-9))
        aligned = torch.zeros_like(of_means)
        aligned.scatter_(2, of_means.detach().argsort(dim=2, stable=True)[..., :chosen], 1.0)
        differences = ((of_means + std_weight * of_stds) * aligned).mean(dim=2)  # (B, R)
        both = (ours.share >= LEAST_SHARE) & (theirs.share >= LEAST_SHARE)
        weights = torch.where(both, ours.share.sqrt(), torch.zeros_like(ours.share))
        weights = weights / weights.sum(dim=1, keepdim=True).clamp_min(1e-6)
        layer_weight = 1.0 if layer_weights is None else layer_weights[number]
        total = total + layer_weight * (weights * differences).sum(dim=1).mean()
    return total
