"""What `hflow bench` prints."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from statistics import mean

import torch

from hflow.benchmarks.stages import StageBenchmark
from hflow.benchmarks.training import TrainingBenchmark
from hflow.benchmarks.translation import Benchmark, Clock, benchmark_others, fresh, table
from hflow.foundation.params import VARIANTS
from hflow.translation.translator import Precision

__all__ = ["BATCHES", "SIZES", "show_benchmark", "show_others", "show_stages", "show_table", "show_training"]

SIZES = ((256, 128), (512, 256), (1024, 512), (2048, 1024))
BATCHES = (1, 4)
LOSSES = 50
"""Steps whose losses are averaged into one line."""


def show_benchmark(name: str, found: Benchmark) -> None:
    """The plain network and the Translator by turns, and the device's limits; `name` says of what."""
    how = f"{found.precision}, {found.backend}"
    print(f"{name}; translate in {how}")
    whole, style = (macs / 1e9 for macs in found.macs)
    print(f"parameters: {found.parameters:,}; GMAC a frame: {whole:.1f}, of which the Style-Net {style:.1f}")
    for network, seconds, memory in (
        ("plain", found.plain, found.plain_memory),
        ("translate", found.translate, found.translate_memory),
    ):
        peak = "" if memory is None else f", peak memory {memory / 1e9:.2f} GB"
        print(f"{network}: out of memory" if seconds is None else f"{network}: {1 / seconds:.3g} frames/s{peak}")
    if found.ratio is not None:
        print(f"ratio: {found.ratio:.2f}")
        print(f"difference in grey levels: largest {found.largest:.2g}, mean {found.mean:.2g}", end="; ")
        print(f"within 4 levels: {found.within_four:.3%}")
    print(f"convolutions alone, in {found.precision}: {1 / found.convolutions:.3g} frames/s", end="; ")
    print(f"translate reaches {found.convolutions / found.translate:.0%}")
    print(f"a large copy: {found.copy / 1e9:.3g} GB/s")


def show_stages(found: StageBenchmark) -> None:
    """Decode, network, encode, each alone, and the whole."""
    for name in ("decode", "network", "encode", "whole"):
        print(f"{name}: {1 / getattr(found, name):.3g} frames/s")
    print(f"the whole reaches {found.share:.0%} of the slowest stage alone")


def show_training(name: str, found: TrainingBenchmark) -> None:
    """The training step against the plain one; `name` says of what."""
    print(f"{name}; train in {found.precision}")
    print(f"plain: {1 / found.plain:.3g} samples/s; train: {1 / found.train:.3g} samples/s; ratio: {found.ratio:.2f}")
    for first in range(0, len(found.losses), LOSSES):
        plain, again, ours = (mean(losses) for losses in zip(*found.losses[first : first + LOSSES], strict=True))
        print(f"loss from step {first + 1} on: plain {plain:.4g}, from a rounded start {again:.4g}, train {ours:.4g}")


def show_others(found: Mapping[str, float]) -> None:
    """Other methods' generators."""
    for name, seconds in found.items():
        print(f"{name}: {1 / seconds:.3g} frames/s")


def show_table(
    variants: Sequence[str],
    *,
    sizes: Sequence[tuple[int, int]],
    batches: Sequence[int],
    rounds: int,
    device: torch.device,
    precision: Precision,
    clock: Clock,
) -> None:
    """A row for every variant, size and batch, each from a process of its own, printed as it is found."""

    def rows() -> Iterator[tuple[str, tuple[int, int], int, Benchmark | None]]:
        for size, batch, variant in itertools.product(sizes, batches, variants):
            expansions = VARIANTS[variant]
            found = fresh(
                expansions, size=size, batch=batch, rounds=rounds, device=device, precision=precision, clock=clock
            )
            yield variant, size, batch, found

    def others() -> Iterator[tuple[str, tuple[int, int], int, float]]:
        for size in sizes:
            found = benchmark_others(size=size, batch=1, rounds=rounds, device=device, clock=clock)
            yield from ((name, size, 1, seconds) for name, seconds in found.items())

    for line in table(rows(), others()):
        print(line, flush=True)
