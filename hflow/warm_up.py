"""Before training: the Style-Net learns the statistics of the target images, each from the image itself.

The paper begins at chance and trains for 300,000 steps. A few hundred steps on this task, which needs no perceptual
loss and no gradient through the couplings, give training a start from which each style already has its colours and
contrasts.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from hflow.model import HierarchyFlow
from hflow.progress import progress

__all__ = ["MOST_IMAGES", "learn_styles"]

MOST_IMAGES = 256
"""Their statistics are measured once, before the first step."""

BATCH = 8
LEARNING_RATE = 1e-3


def learn_styles(
    network: HierarchyFlow, image: Callable[[int], Tensor], count: int, *, steps: int, seed: int
) -> list[float]:
    """Teach the Style-Net, and nothing else, to ask of every coupling what the coupling finds in the style image.

    Then an image translated in its own style stays as it is. What is learned is a function of the arguments alone.

    Args:
        network: whose couplings stay as they are.
        image: gives image i, (1, 3, H, W) in [0, 1], on the network's device; sizes may differ.
        count: of the images; of more than `MOST_IMAGES` as many are taken, evenly spaced.
        steps: of Adam, with a learning rate that falls to zero, on eight images each.
        seed: of the order of the images.

    Returns:
        The loss of every step: squared differences of means and stds, averaged over channels, summed over couplings.
    """
    chosen = [i * count // min(count, MOST_IMAGES) for i in range(min(count, MOST_IMAGES))] if steps else []
    wanted = []
    with progress("style statistics", len(chosen), unit="images") as advance:
        for i in chosen:
            wanted.append(network.measure(image(i)))
            advance()
    style_net = [*network.style_encoder.parameters(), *network.style_mappings.parameters()]
    optimizer = torch.optim.Adam(style_net, lr=LEARNING_RATE)
    decay = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, max(1, steps))
    random = np.random.default_rng([seed, steps])
    losses = []
    with progress("learn styles", steps, unit="steps") as advance:
        for _ in range(steps):
            drawn = random.integers(len(chosen), size=BATCH)
            loss = torch.stack([_loss(network, image(chosen[j]), wanted[j]) for j in drawn]).mean()
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            decay.step()
            losses.append(loss.item())
            advance(1, f"loss {losses[-1]:.3g}")
    return losses


def _loss(network: HierarchyFlow, image: Tensor, wanted: list[tuple[Tensor, Tensor]]) -> Tensor:
    code = network.encode_style(image.contiguous(memory_format=torch.channels_last))  # (1, 8)
    with torch.autocast(image.device.type, enabled=False):
        asked = network.statistics(code.float())
        terms = [
            F.mse_loss(ours, theirs)
            for pair, wanted_pair in zip(asked, wanted, strict=True)
            for ours, theirs in zip(pair, wanted_pair, strict=True)
        ]
        return torch.stack(terms).sum()
