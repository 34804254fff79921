"""How fast translation is, against the network run plainly and against what the device can do at all."""

import copy
import resource
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from statistics import median

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from hflow.benchmarks.case import BenchmarkCase, Clock
from hflow.benchmarks.other_generators import cut_generator, cyclegan_generator
from hflow.benchmarks.style_transfer_generators import adain_generator, artflow_generator
from hflow.foundation.devices import is_out_of_memory
from hflow.foundation.params import VARIANTS
from hflow.foundation.progress import progress
from hflow.model import HierarchyFlow
from hflow.translation.translator import Translator

__all__ = ["Benchmark", "benchmark", "benchmark_alone", "benchmark_others"]

COPIED_BYTES = 256 << 20


@dataclass(frozen=True)
class Benchmark:
    """What was measured; times are the median over the rounds.

    Attributes:
        plain, translate: seconds a frame of the plain network, Style-Net and all, in float32, and of the Translator.
            What takes the plain network is None where the memory doesn't hold it.
        ratio: the median over the rounds of plain / translate, the two timed one after the other in each.
        convolutions: seconds a frame of the couplings' convolutions alone, in the Translator's precision.
        copy: bytes a second that a large copy reads and writes.
        plain_memory, translate_memory: the peak in bytes, of the process on a CPU, of the tensors on a GPU; None where
            the system doesn't tell.
        largest, mean: the differences of the two outputs, in grey levels of 255.
        within_four: the share of values that differ by at most 4 levels.
        macs: multiply-accumulates a frame of the plain network, and how many of them are the Style-Net's.
        parameters: of the whole network.
        precision, backend: what the Translator took.
    """

    plain: float | None
    translate: float
    ratio: float | None
    convolutions: float
    copy: float
    plain_memory: int | None
    translate_memory: int | None
    largest: float | None
    mean: float | None
    within_four: float | None
    macs: tuple[int, int]
    parameters: int
    precision: str
    backend: str


@torch.inference_mode()
def benchmark(case: BenchmarkCase) -> Benchmark:
    """Time the plain network and the Translator by turns, on random frames and an untrained network.

    Raises:
        torch.OutOfMemoryError: the memory doesn't hold the Translator's batch.
    """
    size, batch, rounds, device, clock = case.size, case.batch, case.rounds, case.device, case.clock
    torch.manual_seed(0)
    frames, styles = torch.rand(2, batch, 3, size[1], size[0])  # (B, 3, H, W) each
    network = HierarchyFlow(case.expansions).eval()
    network.start_from([torch.rand(1, 3, 64, 64)])
    macs, of_style = _macs(network, size)
    translator = Translator(network, styles, device=device, precision=case.precision)
    choice = list(range(batch))
    frames, styles = frames.to(device), styles.to(device)

    def plain() -> Tensor:
        return network(frames, styles)

    def fast() -> Tensor:
        return translator.translate_checked(frames, choice)

    # The plain network first: what the Translator keeps between calls is not its memory.
    wanted, plain_memory = _watched(plain, device)
    if device.type == "cuda":
        fast()  # Compiles, which takes memory too.
    found, translate_memory = _watched(fast, device)
    if found is None:
        raise torch.OutOfMemoryError(f"a batch of {batch} frames of {size[0]}x{size[1]} needs more memory")
    off = None if wanted is None else (wanted - found).abs() * 255
    del found
    seconds: list[tuple[float | None, float]] = []
    with progress("bench", rounds, unit="rounds") as advance:
        for _ in range(rounds):
            seconds.append((None if wanted is None else _seconds(plain, device, clock), _seconds(fast, device, clock)))
            advance()
    dtype = torch.bfloat16 if translator.precision == "bf16" else torch.float32
    return Benchmark(
        plain=None if wanted is None else median([a for a, _ in seconds if a]) / batch,
        translate=median([b for _, b in seconds]) / batch,
        ratio=None if wanted is None else median([a / b for a, b in seconds if a]),
        convolutions=_convolution_seconds(network, frames[:1], dtype, rounds, device, clock),
        copy=_copy_rate(rounds, device, clock),
        plain_memory=plain_memory,
        translate_memory=translate_memory,
        largest=None if off is None else off.max().item(),
        mean=None if off is None else off.mean().item(),
        within_four=None if off is None else (off <= 4).float().mean().item(),
        macs=(macs, of_style),
        parameters=sum(p.numel() for p in network.parameters()),
        precision=translator.precision,
        backend=translator.backend,
    )


@torch.inference_mode()
def benchmark_others(case: BenchmarkCase) -> dict[str, float]:
    """Seconds a frame of other methods' generators, run plainly in float32, and of Hierarchy Flow's variants, by turns.

    As in the paper's table 6, of which CycleGAN and CUT are the upper part, AdaIN and ArtFlow the lower. Styles are
    known beforehand everywhere. The variants are run plainly in float32 too, and as translation runs them.

    Returns:
        Medians, by name.
    """
    size, batch, device = case.size, case.batch, case.device
    torch.manual_seed(0)
    frames = torch.rand(batch, 3, size[1], size[0], device=device)  # (B, 3, H, W)
    makers: dict[str, Callable[[], nn.Module]] = {
        "CycleGAN's ResNet-9": cyclegan_generator,
        "CUT's ResNet-9": cut_generator,
        "AdaIN": adain_generator,
        "ArtFlow": artflow_generator,
    }
    generators: dict[str, Callable[[Tensor], Tensor]] = {
        name: make().eval().to(device) for name, make in makers.items()
    }
    styles = torch.rand(1, 3, size[1], size[0], device=device)
    for name, rates in VARIANTS.items():
        network = HierarchyFlow(rates).eval().to(device)
        network.start_from([torch.rand(1, 3, 64, 64, device=device)])
        code = network.encode_style(styles).expand(batch, -1)
        generators[f"{name}, plain"] = partial(network.transfer, code=code)
        translator = Translator(network, styles, device=device, precision=case.precision)
        generators[f"{name}, hflow"] = partial(_translated, translator)
    seconds: dict[str, list[float]] = {name: [] for name in generators}
    for generator in generators.values():
        generator(frames[:, :, :64, :64])
    with progress("bench", case.rounds, unit="rounds") as advance:
        for _ in range(case.rounds):
            for name, generator in generators.items():
                seconds[name].append(_seconds(partial(generator, frames), device, case.clock))
            advance()
    return {name: median(values) / batch for name, values in seconds.items()}


def _translated(translator: Translator, frames: Tensor) -> Tensor:
    return translator.translate_checked(frames, [0] * len(frames))


def benchmark_alone(case: BenchmarkCase) -> Benchmark | None:
    """`benchmark` in a process of its own, so that its memory is its own; None where there is too little of it."""
    with ProcessPoolExecutor(
        1, mp_context=get_context("spawn"), initializer=_begin, initargs=(torch.get_num_threads(),)
    ) as pool:
        try:
            return pool.submit(benchmark, case).result()
        except (BrokenProcessPool, torch.OutOfMemoryError):
            return None


def _convolution_seconds(
    network: HierarchyFlow, frames: Tensor, dtype: torch.dtype, rounds: int, device: torch.device, clock: Clock
) -> float:
    """Seconds of a batch through the couplings' convolutions alone, each on its own random input."""
    height, width = network.pad(frames[:1]).shape[2:]
    total = 0.0
    for module in network.couplings.modules():
        if isinstance(module, nn.Conv2d):
            x = torch.rand(len(frames), module.in_channels, height, width, device=device)
            x = x.to(dtype, memory_format=torch.channels_last)
            weight = module.weight.to(dtype, memory_format=torch.channels_last)

            def convolve(x: Tensor = x, weight: Tensor = weight) -> Tensor:
                return torch.nn.functional.conv2d(x, weight, padding=1)

            convolve()
            total += median([_seconds(convolve, device, clock) for _ in range(rounds)])
    return total


def _copy_rate(rounds: int, device: torch.device, clock: Clock) -> float:
    source = torch.ones(COPIED_BYTES // 4, device=device)
    target = torch.empty_like(source)
    target.copy_(source)
    return 2 * COPIED_BYTES / median([_seconds(lambda: target.copy_(source), device, clock) for _ in range(rounds)])


def _seconds(work: Callable[[], Tensor], device: torch.device, clock: Clock) -> float:
    _wait(device)
    start = clock()
    work()
    _wait(device)
    return clock() - start


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _watched(work: Callable[[], Tensor], device: torch.device) -> tuple[Tensor | None, int | None]:
    """What `work` gives, and the peak in bytes while it runs; None and None where the memory doesn't hold it."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    else:
        # Sets VmHWM back (Linux, proc(5)).
        with suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    try:
        result = work()
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        return None, None
    return result, torch.cuda.max_memory_allocated(device) if device.type == "cuda" else _of_process("VmHWM")


def _of_process(name: str) -> int | None:
    """Bytes of a line of /proc/self/status; None where the system doesn't tell."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith(f"{name}:")), None)


def _macs(network: HierarchyFlow, size: tuple[int, int]) -> tuple[int, int]:
    """Multiply-accumulates of a frame, and how many of them are the Style-Net's; nothing is computed for it."""
    network = copy.deepcopy(network).to("meta")
    frame = torch.empty(1, 3, size[1], size[0], device="meta")
    with FlopCounterMode(display=False) as whole:
        network(frame, frame)
    with FlopCounterMode(display=False) as style:
        network.encode_style(frame)
    return whole.get_total_flops() // 2, style.get_total_flops() // 2


def _begin(threads: int) -> None:
    """Take so many threads, and fail, instead of the system, when it wants more memory than there is (Linux)."""
    torch.set_num_threads(threads)
    now = _of_process("VmData")
    with suppress(OSError, StopIteration):
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        free = next(1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable:"))
        if now is not None:
            hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
            soft = now + free if hard == resource.RLIM_INFINITY else min(now + free, hard)
            resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))
