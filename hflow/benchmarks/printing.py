"""What was measured, as `hflow bench` prints it: lines, or a table in Markdown."""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from statistics import mean

import torch

from hflow.benchmarks.bookkeeping import Taken
from hflow.benchmarks.case import BenchmarkCase
from hflow.benchmarks.memory import training_bytes, translation_bytes
from hflow.benchmarks.preparation import IMAGES, STEPS, Preparation
from hflow.benchmarks.training import TrainingBenchmark
from hflow.benchmarks.translation import Benchmark, benchmark_alone, benchmark_others
from hflow.benchmarks.translation_stages import StageBenchmark
from hflow.benchmarks.waiting import Waiting
from hflow.foundation.params import VARIANTS

__all__ = [
    "BATCHES",
    "SIZES",
    "show_benchmark",
    "show_bookkeeping",
    "show_memory",
    "show_others",
    "show_preparation",
    "show_stages",
    "show_table",
    "show_training",
    "show_waiting",
    "table_lines",
]

Size = tuple[int, int]
"""(width, height)."""

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
    """Decode, network, encode, each alone, the whole, and a folder of images."""
    for name in ("decode", "network", "encode", "whole", "folder"):
        print(f"{name}: {1 / getattr(found, name):.3g} frames/s")
    print(f"the whole reaches {found.share:.0%} of the slowest stage alone", end="; ")
    print(f"a folder of images {found.whole / found.folder:.0%} of the whole's rate")


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


def show_preparation(name: str, found: Preparation) -> None:
    """What a training takes beside its steps, and its share."""
    print(f"{name}, {IMAGES} target images, seconds:")
    print(", ".join(f"{part} {seconds:.1f}" for part, seconds in found.parts.items()))
    print(f"together {found.share:.0%} of {STEPS} steps of {found.step:.3g} s")


def show_bookkeeping(frames: int, found: Mapping[str, Taken]) -> None:
    """What each part took beside pictures, and the peak of its memory."""
    print(f"{frames:,} frames")
    for part, taken in found.items():
        print(f"{part}: {taken.seconds:.3g} s, {taken.busy:.3g} processor seconds, {taken.peak / 1e9:.2f} GB")


def show_waiting(found: Waiting) -> None:
    """What is waited for, and of which imports."""
    print(f"hflow --help: {found.help:.2f} s; hflow translate of ten frames: {found.translate:.2f} s")
    print("imports: " + ", ".join(f"{name} {seconds:.2f} s" for name, seconds in found.imports.items()))


def show_memory(name: str, expansions: Sequence[int], sizes: Sequence[Size], batches: Sequence[int]) -> None:
    """What the tensors of translation and training take, by calculation, as Markdown."""
    print("| network | size | batch | translate, bf16 | translate, fp32 | train, bf16 | train, fp32 |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for size, batch in itertools.product(sorted(sizes), sorted(batches)):
        found = [
            of(expansions, size, batch, dtype) / 1e9
            for of in (translation_bytes, training_bytes)
            for dtype in (torch.bfloat16, torch.float32)
        ]
        print(
            f"| {name} | {size[0]}x{size[1]} | {batch} | {' | '.join(f'{value:.3g} GB' for value in found)} |",
            flush=True,
        )


def show_table(case: BenchmarkCase, variants: Sequence[str], sizes: Sequence[Size], batches: Sequence[int]) -> None:
    """A row for every variant, size and batch, each from a process of its own, printed as it is found."""

    def rows() -> Iterator[tuple[str, Size, int, Benchmark | None]]:
        for size, batch, variant in itertools.product(sizes, batches, variants):
            of_row = replace(case, expansions=VARIANTS[variant], size=size, batch=batch)
            yield variant, size, batch, benchmark_alone(of_row)

    def others() -> Iterator[tuple[str, Size, int, float]]:
        for size in sizes:
            found = benchmark_others(replace(case, size=size, batch=1))
            yield from ((name, size, 1, seconds) for name, seconds in found.items())

    for line in table_lines(rows(), others()):
        print(line, flush=True)


def table_lines(
    rows: Iterable[tuple[str, Size, int, Benchmark | None]],
    others: Iterable[tuple[str, Size, int, float]] = (),
) -> Iterator[str]:
    """Lines of Markdown, a row for every variant, size, batch and what was found; None is written as out of memory.

    `others` are rows of a generator, size, batch and seconds a frame.
    """
    yield "| network | size | batch | plain, frames/s | translate, frames/s | ratio | plain, GB | translate, GB | by |"
    yield "| --- | --- | --- | --- | --- | --- | --- | --- | --- |"
    for name, size, batch, seconds in others:
        yield f"| {name} | {size[0]}x{size[1]} | {batch} | {1 / seconds:.3g} | | | | | fp32 |"
    for variant, size, batch, found in rows:
        start = f"| {variant} | {size[0]}x{size[1]} | {batch} |"
        if found is None:
            yield f"{start} out of memory | out of memory | | | | |"
            continue
        plain = "out of memory | " if found.plain is None else f"{1 / found.plain:.3g} | "
        ratio = "" if found.ratio is None else f"{found.ratio:.2f}"
        memory = ["" if m is None else f"{m / 1e9:.2f}" for m in (found.plain_memory, found.translate_memory)]
        speed = f"{1 / found.translate:.3g}"
        yield f"{start} {plain}{speed} | {ratio} | {memory[0]} | {memory[1]} | {found.precision}, {found.backend} |"
