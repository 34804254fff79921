"""How fast a training step is, against the same step written plainly."""

import copy
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

import torch
from torch import Tensor, nn

from hflow.model import HierarchyFlow
from hflow.params import EncoderParams, LossParams
from hflow.perceptual import Encoder, aligned_style_loss, content_loss, load_encoder
from hflow.progress import progress
from hflow.training import training_losses

__all__ = ["TrainingBenchmark", "benchmark_training"]


@dataclass(frozen=True)
class TrainingBenchmark:
    """What was measured.

    Attributes:
        plain, train: seconds a sample of the plain step and of the step as `hflow train` runs it; medians.
        ratio: the median over the rounds of plain / train, the two timed one after the other in each.
        losses: of every round, the plain step's and the other's, from the same start and of the same samples.
    """

    plain: float
    train: float
    ratio: float
    losses: Sequence[tuple[float, float]]


def benchmark_training(
    expansions: Sequence[int], *, size: tuple[int, int], batch: int, rounds: int, device: torch.device
) -> TrainingBenchmark:
    """Train two copies of one network by turns, on random images, each with its own way of making a step.

    Args:
        expansions: of the network.
        size: (width, height) of a sample.
        batch: samples a step.
        rounds: steps of each, after one that isn't timed.
    """
    torch.manual_seed(0)
    start = HierarchyFlow(expansions)
    start.start_from([torch.rand(1, 3, size[1], size[0])])
    encoder = load_encoder(EncoderParams().name).to(device)
    unordered = copy.deepcopy(encoder)
    for convolution in unordered.modules():
        if isinstance(convolution, nn.Conv2d):
            convolution.weight.data = convolution.weight.contiguous()
    plain = _step(copy.deepcopy(start).to(device), unordered, _plain_loss)
    ours = _step(copy.deepcopy(start).to(device), encoder, _loss)
    seconds, losses = [], []
    with progress("bench", rounds, unit="rounds") as advance:
        for number in range(rounds + 1):
            content, style = torch.rand(2, batch, 3, size[1], size[0], device=device)  # (B, 3, H, W) each
            (a, one), (b, other) = plain(content, style), ours(content, style)
            losses.append((one, other))
            if number:
                seconds.append((a, b))
                advance()
    return TrainingBenchmark(
        plain=median([a for a, _ in seconds]) / batch,
        train=median([b for _, b in seconds]) / batch,
        ratio=median([a / b for a, b in seconds]),
        losses=losses,
    )


def _step(
    network: HierarchyFlow, encoder: Encoder, loss_of: Callable[[nn.Module, Encoder, Tensor, Tensor], Tensor]
) -> Callable[[Tensor, Tensor], tuple[float, float]]:
    """A training step: from content and style, (B, 3, H, W), to the seconds it took and its loss."""
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-4)

    def step(content: Tensor, style: Tensor) -> tuple[float, float]:
        begin = time.perf_counter()
        loss = loss_of(network, encoder, content, style)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        value = loss.item()  # Waits for a GPU.
        return time.perf_counter() - begin, value

    return step


def _plain_loss(network: nn.Module, encoder: Encoder, content: Tensor, style: Tensor) -> Tensor:
    """Equation 4 as it reads, every image through the whole encoder."""
    params = LossParams()
    output, wanted_content, wanted_style = encoder(network(content, style)), encoder(content), encoder(style)
    of_style = aligned_style_loss(output, wanted_style, k=params.k, layers=params.style_layers)
    return content_loss(output, wanted_content) + params.lambda_style * of_style


def _loss(network: nn.Module, encoder: Encoder, content: Tensor, style: Tensor) -> Tensor:
    return training_losses(network, encoder, content, style, LossParams())["loss"]
