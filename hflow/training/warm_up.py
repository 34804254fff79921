"""Before training: the Style-Net learns the statistics of the target images, each from the image itself.

The paper begins at chance and trains for 300,000 steps. A few hundred steps on this task, which needs no perceptual
loss and no gradient through the couplings, give training a start from which each style already has its colours and
contrasts.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from hflow.foundation.evenly_spaced import evenly_spaced
from hflow.foundation.progress import progress
from hflow.model import HierarchyFlow
from hflow.model.hierarchy_flow import Statistics

__all__ = ["MOST_IMAGES", "learn_styles"]

MOST_IMAGES = 128
"""Their statistics are measured once, before the first step."""

CODE_PIXELS = 4096
"""Of an image that the Style-Net learns from, at most; the statistics are those of the image as it is."""

LEAST_SIDE = 16
"""Of such an image, where it has as much: the style encoder mirrors its borders."""

BATCH = 8
LEARNING_RATE = 1e-3


def learn_styles(
    network: HierarchyFlow,
    image: Callable[[int], Tensor],
    count: int,
    *,
    steps: int,
    seed: int,
    autocast: Callable[[], AbstractContextManager[object]] = nullcontext,
) -> list[float]:
    """Teach the Style-Net, and nothing else, to ask of every coupling what the coupling finds in the style image.

    Then an image translated in its own style stays as it is. What is learned is a function of the arguments alone.

    Args:
        network: whose couplings stay as they are.
        image: gives image i, (1, 3, H, W) in [0, 1], on the network's device; sizes may differ.
        count: of the images; of more than `MOST_IMAGES` as many are taken, evenly spaced.
        steps: of Adam, with a learning rate that falls to zero, on eight images each.
        seed: of the order of the images.
        autocast: the context of the Style-Net's passes. It is entered anew for each, since inside one context autocast
            keeps the weights that it has cast, and steps would change nothing.

    Returns:
        The loss of every step: squared differences of means and stds, averaged over channels, summed over couplings.
    """
    chosen = evenly_spaced(range(count), MOST_IMAGES) if steps else []
    wanted, pictures = [], []
    with progress("style statistics", len(chosen), unit="images") as advance:
        for i in chosen:
            picture = image(i)
            wanted.append(network.measure(picture))
            pictures.append(_narrowed(picture))
            advance()
    style_net = [*network.style_encoder.parameters(), *network.style_mappings.parameters()]
    optimizer = torch.optim.Adam(style_net, lr=LEARNING_RATE)
    decay = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, max(1, steps))
    random = np.random.default_rng([seed, steps])
    losses = []
    with progress("learn styles", steps, unit="steps") as advance:
        for _ in range(steps):
            drawn = random.integers(len(chosen), size=BATCH)
            with autocast():
                code = _codes(network, [pictures[j] for j in drawn])
            loss = _loss(network.asked(code.float()), [wanted[j] for j in drawn])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            decay.step()
            losses.append(loss.item())
            advance(1, f"loss {losses[-1]:.3g}")
    return losses


def _narrowed(image: Tensor) -> Tensor:
    """An image, (1, 3, H, W), as it is or made smaller, to at most `CODE_PIXELS`."""
    height, width = image.shape[2:]
    less = (CODE_PIXELS / (height * width)) ** 0.5
    if less >= 1:
        return image
    size = (max(min(height, LEAST_SIDE), int(height * less)), max(min(width, LEAST_SIDE), int(width * less)))
    return F.interpolate(image, size, mode="bilinear", antialias=True)


def _codes(network: HierarchyFlow, images: list[Tensor]) -> Tensor:
    """The style codes, (B, 8), of images (1, 3, H, W), in one pass where their sizes are the same."""
    batches = [torch.cat(images)] if len({image.shape for image in images}) == 1 else images
    return torch.cat([network.encode_style(b.contiguous(memory_format=torch.channels_last)) for b in batches])


def _loss(asked: list[Statistics], wanted: list[list[Statistics]]) -> Tensor:
    """Of the statistics asked for, (B, C) a coupling, and of those wanted by each of the B images, (1, C)."""
    terms = [
        F.mse_loss(ours, torch.cat([statistics[level][moment] for statistics in wanted]))
        for level, pair in enumerate(asked)
        for moment, ours in enumerate(pair)
    ]
    return torch.stack(terms).sum()
