"""How fast a training step is, against the same step written plainly."""

import copy
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Literal

import torch
from torch import Tensor, nn

from hflow.benchmarks.case import BenchmarkCase, Clock
from hflow.benchmarks.drawn_frames import drawn_frame
from hflow.datasets.tensors import to_tensor
from hflow.foundation.params import EncoderParams, LossParams, TrainParams
from hflow.foundation.progress import progress
from hflow.model import HierarchyFlow
from hflow.training.encoder import Encoder, load_encoder, measure_scales
from hflow.training.losses import aligned_style_loss, content_loss
from hflow.training.objective import training_losses
from hflow.training.precision import set_up, training_fabric, training_precision

__all__ = ["TrainingBenchmark", "benchmark_training"]

PICTURES = 16
PRECISIONS: dict[str, Literal["auto", "32-true", "bf16-mixed"]] = {
    "auto": "auto",
    "fp32": "32-true",
    "bf16": "bf16-mixed",
}
"""What `--precision` is called in train.precision."""


@dataclass(frozen=True)
class TrainingBenchmark:
    """What was measured.

    Attributes:
        plain, train: seconds a sample of the plain step and of the step as `hflow train` runs it; medians.
        ratio: the median over the rounds of plain / train, the two timed one after the other in each.
        losses: of every step, of the same samples: the plain step's, the plain step's from the same start rounded to
            bfloat16, which says how much of a difference is noise, and those of `hflow train`.
        precision: what the step of `hflow train` took, in Fabric's words.
    """

    plain: float
    train: float
    ratio: float
    losses: Sequence[tuple[float, float, float]]
    precision: str


def benchmark_training(case: BenchmarkCase) -> TrainingBenchmark:
    """Train copies of one network by turns, on drawn pictures, each with its own way of making a step."""
    size, batch, rounds, device, clock = case.size, case.batch, case.rounds, case.device, case.clock
    torch.manual_seed(0)
    contents, styles = (_pictures(range(i * PICTURES, (i + 1) * PICTURES), size).to(device) for i in range(2))
    start = HierarchyFlow(case.expansions)
    start.start_from(styles.cpu().split(1))
    start.to(device)
    encoder = load_encoder(EncoderParams().name).to(device)
    encoder.scales = measure_scales(encoder, styles.split(1))
    unordered = copy.deepcopy(encoder)
    for convolution in unordered.modules():
        if isinstance(convolution, nn.Conv2d):
            convolution.weight.data = convolution.weight.contiguous()
    accelerator: Literal["cuda", "cpu"] = "cuda" if device.type == "cuda" else "cpu"
    params = TrainParams(steps=rounds, accelerator=accelerator, precision=PRECISIONS[case.precision])
    fabric, precision = training_fabric(params), training_precision(params)
    network, rounded = copy.deepcopy(start), copy.deepcopy(start)
    for parameter in rounded.parameters():
        parameter.data = parameter.data.bfloat16().float()
    module, optimizer = set_up(fabric, network, torch.optim.Adam(network.parameters(), lr=1e-4), encoder, precision)
    ours = _step(module, optimizer, encoder, _loss, fabric.backward, clock)
    plain, again = (
        _step(one, torch.optim.Adam(one.parameters(), lr=1e-4), unordered, _plain_loss, Tensor.backward, clock)
        for one in (start, rounded)
    )
    seconds, losses = [], []
    with progress("bench", rounds, unit="rounds") as advance:
        for number in range(rounds + 1):
            content, style = (pictures[torch.randint(PICTURES, (batch,))] for pictures in (contents, styles))
            (_, noisy), (a, one), (b, other) = again(content, style), plain(content, style), ours(content, style)
            losses.append((one, noisy, other))
            if number:
                seconds.append((a, b))
                advance()
    return TrainingBenchmark(
        plain=median([a for a, _ in seconds]) / batch,
        train=median([b for _, b in seconds]) / batch,
        ratio=median([a / b for a, b in seconds]),
        losses=losses,
        precision=precision,
    )


def _step(
    module: nn.Module,
    optimizer: Any,
    encoder: Encoder,
    loss_of: Callable[[nn.Module, Encoder, Tensor, Tensor], Tensor],
    backward: Callable[[Tensor], None],
    clock: Clock,
) -> Callable[[Tensor, Tensor], tuple[float, float]]:
    """A training step: from content and style, (B, 3, H, W), to the seconds it took and its loss."""

    def step(content: Tensor, style: Tensor) -> tuple[float, float]:
        begin = clock()
        loss = loss_of(module, encoder, content, style)
        optimizer.zero_grad(set_to_none=True)
        backward(loss)
        optimizer.step()
        value = loss.item()  # Waits for a GPU.
        return clock() - begin, value

    return step


def _plain_loss(network: nn.Module, encoder: Encoder, content: Tensor, style: Tensor) -> Tensor:
    """Equation 4 as it reads, every image through the whole encoder."""
    params = LossParams()
    output, wanted_content, wanted_style = encoder(network(content, style)), encoder(content), encoder(style)
    of_style = aligned_style_loss(
        output, wanted_style, k=params.k, layers=params.style_layers, std_weight=params.std_weight, bands=params.bands
    )
    return content_loss(output, wanted_content) + params.lambda_style * of_style


def _loss(network: nn.Module, encoder: Encoder, content: Tensor, style: Tensor) -> Tensor:
    return training_losses(network, encoder, content, style, LossParams())["loss"]


def _pictures(numbers: Iterable[int], size: tuple[int, int]) -> Tensor:
    """(N, 3, H, W), in [0, 1]."""
    return torch.stack([to_tensor(drawn_frame(number, size)) for number in numbers])
