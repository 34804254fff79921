"""How fast translation is, against the network run plainly and against what the device can do at all."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from statistics import median

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from hflow.model import HierarchyFlow
from hflow.other_generators import cut_generator, cyclegan_generator
from hflow.progress import progress
from hflow.translator import Precision, Translator

__all__ = ["Benchmark", "benchmark", "benchmark_others", "fresh", "table"]

STYLES = 8
COPIED_BYTES = 256 << 20


@dataclass(frozen=True)
class Benchmark:
    """What was measured; times are the median over the rounds.

    Attributes:
        plain, translate: seconds a frame of the plain network, Style-Net and all, in float32, and of the Translator.
        ratio: the median over the rounds of plain / translate, the two timed one after the other in each.
        convolutions: seconds a frame of the couplings' convolutions alone, channels last.
        copy: bytes a second that a large copy reads and writes.
        plain_memory, translate_memory: the peak in bytes, of the process on a CPU, of the tensors on a GPU; None where
            the system doesn't tell.
        largest, mean: the differences of the two outputs, in grey levels of 255.
        macs: multiply-accumulates a frame of the plain network, and how many of them are the Style-Net's.
        parameters: of the whole network.
        precision, backend: what the Translator took.
    """

    plain: float
    translate: float
    ratio: float
    convolutions: float
    copy: float
    plain_memory: int | None
    translate_memory: int | None
    largest: float
    mean: float
    macs: tuple[int, int]
    parameters: int
    precision: str
    backend: str


@torch.inference_mode()
def benchmark(
    expansions: Sequence[int],
    *,
    size: tuple[int, int],
    batch: int,
    rounds: int,
    device: torch.device,
    precision: Precision = "auto",
) -> Benchmark:
    """Time the plain network and the Translator by turns, on random frames and an untrained network.

    Args:
        expansions: of the network.
        size: (width, height) of a frame.
        batch: frames a call.
        rounds: how often each is timed, after one call that isn't.
        precision: of the Translator.
    """
    torch.manual_seed(0)
    frames = torch.rand(batch, 3, size[1], size[0], device=device)  # (B, 3, H, W)
    styles = torch.rand(STYLES, 3, size[1], size[0])  # (S, 3, H, W)
    network = HierarchyFlow(expansions).eval()
    network.start_from(styles.split(1))
    translator = Translator(network, styles, device=device, precision=precision)
    choice = [i % STYLES for i in range(batch)]
    chosen = styles[choice].to(device)

    def plain() -> Tensor:
        return network(frames, chosen)

    def fast() -> Tensor:
        return translator(frames, choice)

    off = (plain() - fast()).abs() * 255
    seconds: list[tuple[float, float]] = []
    with progress("bench", rounds, unit="rounds") as advance:
        for _ in range(rounds):
            seconds.append((_seconds(plain, device), _seconds(fast, device)))
            advance()
    with FlopCounterMode(display=False) as whole:
        plain()
    with FlopCounterMode(display=False) as style:
        network.encode_style(chosen)
    return Benchmark(
        plain=median([a for a, _ in seconds]) / batch,
        translate=median([b for _, b in seconds]) / batch,
        ratio=median([a / b for a, b in seconds]),
        convolutions=_convolution_seconds(network, frames, rounds, device) / batch,
        copy=_copy_rate(rounds, device),
        plain_memory=_peak_memory(plain, device),
        translate_memory=_peak_memory(fast, device),
        largest=off.max().item(),
        mean=off.mean().item(),
        macs=(whole.get_total_flops() // 2 // batch, style.get_total_flops() // 2 // batch),
        parameters=sum(p.numel() for p in network.parameters()),
        precision=translator.precision,
        backend=translator.backend,
    )


@torch.inference_mode()
def benchmark_others(*, size: tuple[int, int], batch: int, rounds: int, device: torch.device) -> dict[str, float]:
    """Seconds a frame of other methods' generators, run plainly in float32, by turns; medians, by name."""
    torch.manual_seed(0)
    frames = torch.rand(batch, 3, size[1], size[0], device=device)  # (B, 3, H, W)
    makers = {"CycleGAN's ResNet-9": cyclegan_generator, "CUT's ResNet-9": cut_generator}
    generators = {name: make().eval().to(device) for name, make in makers.items()}
    seconds: dict[str, list[float]] = {name: [] for name in generators}
    with progress("bench", rounds, unit="rounds") as advance:
        for number in range(rounds + 1):
            for name, generator in generators.items():
                took = _seconds(partial(generator, frames), device)
                if number:
                    seconds[name].append(took)
            if number:
                advance()
    return {name: median(values) / batch for name, values in seconds.items()}


def fresh(
    expansions: Sequence[int],
    *,
    size: tuple[int, int],
    batch: int,
    rounds: int,
    device: torch.device,
    precision: Precision = "auto",
) -> Benchmark | None:
    """`benchmark` in a process of its own, so that its memory is its own; None where the process was killed."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        work = partial(benchmark, size=size, batch=batch, rounds=rounds, device=device, precision=precision)
        try:
            return pool.submit(work, tuple(expansions)).result()
        except BrokenProcessPool:
            return None


def table(rows: Iterable[tuple[str, tuple[int, int], int, Benchmark | None]]) -> Iterator[str]:
    """Lines of Markdown, a row for every variant, size, batch and what was found; None is written as out of memory."""
    yield "| variant | size | batch | plain, frames/s | translate, frames/s | ratio | plain, GB | translate, GB | by |"
    yield "| --- | --- | --- | --- | --- | --- | --- | --- | --- |"
    for variant, size, batch, found in rows:
        start = f"| {variant} | {size[0]}x{size[1]} | {batch} |"
        if found is None:
            yield f"{start} out of memory | | | | | |"
            continue
        memory = ["" if m is None else f"{m / 1e9:.2f}" for m in (found.plain_memory, found.translate_memory)]
        speeds = f"{1 / found.plain:.3g} | {1 / found.translate:.3g} | {found.ratio:.2f}"
        yield f"{start} {speeds} | {memory[0]} | {memory[1]} | {found.precision}, {found.backend} |"


def _convolution_seconds(network: HierarchyFlow, frames: Tensor, rounds: int, device: torch.device) -> float:
    """Seconds of a batch through the couplings' convolutions alone, each on its own random input."""
    height, width = network.pad(frames[:1]).shape[2:]
    total = 0.0
    for module in network.couplings.modules():
        if isinstance(module, nn.Conv2d):
            x = torch.rand(len(frames), module.in_channels, height, width, device=device)
            x = x.contiguous(memory_format=torch.channels_last)
            weight = module.weight.contiguous(memory_format=torch.channels_last)

            def convolve(x: Tensor = x, weight: Tensor = weight) -> Tensor:
                return torch.nn.functional.conv2d(x, weight, padding=1)

            convolve()
            total += median([_seconds(convolve, device) for _ in range(rounds)])
    return total


def _copy_rate(rounds: int, device: torch.device) -> float:
    source = torch.ones(COPIED_BYTES // 4, device=device)
    target = torch.empty_like(source)
    target.copy_(source)
    return 2 * COPIED_BYTES / median([_seconds(lambda: target.copy_(source), device) for _ in range(rounds)])


def _seconds(work: Callable[[], Tensor], device: torch.device) -> float:
    _wait(device)
    start = time.perf_counter()
    work()
    _wait(device)
    return time.perf_counter() - start


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _peak_memory(work: Callable[[], Tensor], device: torch.device) -> int | None:
    """The peak in bytes while `work` runs."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        work()
        return torch.cuda.max_memory_allocated(device)
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # Sets VmHWM back (Linux, proc(5)).
        work()
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM:")), None)
