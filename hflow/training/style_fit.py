"""Before training, in seconds: the Style-Net fitted by least squares to the statistics of the target images.

What `hflow.training.warm_up` learns in hundreds of steps has a closed form. The pooled features of the style encoder,
as it is at the start, say nearly all about the colours of an image; the statistics that the couplings find in the
image are fitted to them by a linear map of rank 8, the size of the code; and an MLP with ReLU can be any linear map.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hflow.foundation.progress import progress
from hflow.model import HierarchyFlow
from hflow.model.style import CODE_SIZE, StyleMapping

__all__ = ["MOST_IMAGES", "fit_styles", "keep_features"]

MOST_IMAGES = 48
FAINT = 0.01
QUIET = 0.1
"""What the other hidden units keep of their values: the codes are larger than an unfitted Style-Net's, and at full
strength a step of Adam, which moves every weight alike, would throw the statistics about."""
RIDGES = tuple(10.0**power for power in range(-6, 3))


@torch.no_grad()
def fit_styles(network: HierarchyFlow, image: Callable[[int], Tensor], count: int) -> float:
    """Make the Style-Net ask of every coupling what the coupling finds in the style image, as well as a line can.

    Its 1x1 convolution and its mappings are set; the couplings and the encoder's other layers stay. The result is a
    function of the arguments alone. The strength of the ridge is chosen by generalised cross-validation.

    Args:
        network: with its couplings as they are to start.
        image: gives image i, (1, 3, H, W) in [0, 1], on the network's device.
        count: of the images; of more than `MOST_IMAGES` as many are taken, evenly spaced.

    Returns:
        The share of the statistics' variance that the fit explains, in [0, 1], cross-validated but for the rank.
    """
    number = min(count, MOST_IMAGES)
    *layers, last, _ = network.style_encoder
    assert isinstance(last, nn.Conv2d)
    features, found = [], []
    with progress("fit styles", number, unit="images") as advance:
        for i in range(number):
            x = picture = image(i * count // number)
            for layer in layers:
                x = layer(x)
            features.append(x.flatten(1))  # (1, 256)
            found.append([torch.cat(pair, dim=1) for pair in network.measure(picture)])
            advance()
    levels = [torch.cat([row[level] for row in found]).double() for level in range(len(found[0]))]  # (N, 2C) each
    middles = [level.mean(dim=0) for level in levels]
    # A coupling counts as much as another, however many channels it has.
    units = [
        max(float((level - middle).square().sum().sqrt()), 1e-6) for level, middle in zip(levels, middles, strict=True)
    ]
    wanted = torch.cat([(v - m) / u for v, m, u in zip(levels, middles, units, strict=True)], dim=1)  # (N, D)
    x = torch.cat(features).double()
    centre, spread = x.mean(dim=0), x.std(dim=0, correction=min(1, number - 1)).clamp_min(1e-6)
    slope, explained = _ridge((x - centre) / spread, wanted)  # (256, D)
    _, sizes, directions = torch.linalg.svd(((x - centre) / spread) @ slope, full_matrices=False)
    # The best map of rank 8 goes through these directions; a faint one would only make the code nervous.
    used = int((sizes[:CODE_SIZE] > FAINT * sizes[0]).sum())
    scale = sizes[:used] / max(1, number - 1) ** 0.5  # of the codes, which get variance 1
    directions = F.pad(directions[:used], (0, 0, 0, CODE_SIZE - used))  # (8, D)
    scale = F.pad(scale, (0, CODE_SIZE - used), value=1.0)  # (8,)
    to_code = (slope @ directions.T / scale / spread[:, None]).T  # (8, 256)
    last.weight.copy_(to_code[..., None, None])
    assert last.bias is not None
    last.bias.copy_(-to_code @ centre)
    parts = (directions * scale[:, None]).split([len(middle) for middle in middles], dim=1)
    for mapping, part, middle, unit in zip(network.style_mappings, parts, middles, units, strict=True):
        assert isinstance(mapping, StyleMapping)
        _set_line(mapping, (part * unit).T, middle)
    return explained


def keep_features(network: HierarchyFlow) -> None:
    """Leave the features that the fit was made for out of training: all of the style encoder but its 1x1 convolution.

    They differ between images by less than a thousandth, which the fit multiplies to codes of variance 1. A step of
    Adam moves them by as much, and within three steps frames would come out grey, or as negatives.
    """
    *layers, _, _ = network.style_encoder
    for layer in layers:
        layer.requires_grad_(False)


def _ridge(x: Tensor, y: Tensor) -> tuple[Tensor, float]:
    """The slope, (F, D), of y, (N, D), on x, (N, F), both centred, and the share it explains, by cross-validation."""
    left, sizes, right = torch.linalg.svd(x, full_matrices=False)
    rotated = left.T @ y  # (R, D)
    best, chosen = float("inf"), torch.zeros_like(sizes)
    for ridge in RIDGES:
        shrunk = sizes.square() / (sizes.square() + ridge * len(x))  # (R,)
        residual = float((y - left @ (shrunk[:, None] * rotated)).square().sum())
        freedom = max(1e-9, 1 - (float(shrunk.sum()) + 1) / len(x))
        if (error := residual / freedom**2) < best:
            best, chosen = error, shrunk / sizes.clamp_min(1e-12)
    return right.T @ (chosen[:, None] * rotated), max(0.0, 1 - best / max(float(y.square().sum()), 1e-12))


def _set_line(mapping: StyleMapping, slope: Tensor, offset: Tensor) -> None:
    """Make a mapping the line slope @ code + offset, (2C, 8) and (2C,): x is relu(x) less relu(-x).

    The hidden units beyond those sixteen begin with weight 0, and training may use them.
    """
    first, second, last = (layer for layer in mapping.mlp if isinstance(layer, nn.Linear))
    for layer in (first, second):
        layer.weight.mul_(QUIET)
        layer.bias.mul_(QUIET)
    pairs, identity = 2 * CODE_SIZE, torch.eye(CODE_SIZE, dtype=slope.dtype, device=slope.device)
    first.weight[:pairs] = torch.cat([identity, -identity]).to(first.weight)
    first.bias[:pairs] = 0
    second.weight[:pairs] = 0
    second.weight[:pairs, :pairs] = torch.eye(pairs).to(second.weight)
    second.bias[:pairs] = 0
    last.weight.zero_()
    last.weight[:, :pairs] = torch.cat([slope, -slope], dim=1).to(last.weight)
    last.bias.copy_(offset)
