"""All tables of docs/why/performance.md in one run, the most important first, written as they are found."""

import json
import platform
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from hflow.benchmarks.case import BenchmarkCase
from hflow.benchmarks.training import benchmark_training
from hflow.benchmarks.translation import benchmark, benchmark_others
from hflow.benchmarks.translation_stages import benchmark_stages
from hflow.foundation.atomic_files import atomic_path, write_json
from hflow.foundation.devices import is_out_of_memory, machine_marks
from hflow.foundation.params import VARIANTS
from hflow.foundation.progress import say
from hflow.translation.translator import Precision

__all__ = ["BATCHES", "SIZES", "run_suite"]

Size = tuple[int, int]
"""(width, height)."""

Row = dict[str, Any]
SIZES: Sequence[Size] = ((512, 256), (256, 128), (1024, 512), (2048, 1024))
BATCHES: Sequence[int] = (16, 1)
TRAINING_PIXELS = 256 * 128
FRAMES_A_BATCH = 64


@dataclass(frozen=True)
class _Part:
    """A row of a table, and what measures the rest of it."""

    table: str
    row: Row
    measure: Callable[[], Row]


def run_suite(
    case: BenchmarkCase, out: Path, *, minutes: float, sizes: Sequence[Size] = SIZES, batches: Sequence[int] = BATCHES
) -> Mapping[str, list[Row]]:
    """Measure part after part, and write out/bench.json and out/bench.md after each.

    Args:
        case: the device, the precision and the rounds.
        out: a folder, made where it is missing.
        minutes: after which no other part is begun; what is left is listed under "left out".
        sizes: of frames, the most important first; training takes those of up to 32,768 pixels, or else the first.
        batches: frames at once, likewise.

    Returns:
        The rows of each table by its name.
    """
    out.mkdir(parents=True, exist_ok=True)
    end = time.monotonic() + 60 * minutes
    tables: dict[str, list[Row]] = {"machine": [_machine(case)]}
    for part in _parts(case, sizes, batches):
        name = f"{part.table}: {', '.join(str(value) for value in part.row.values())}"
        if time.monotonic() > end:
            tables.setdefault("left out", []).append({"part": name})
        else:
            say(name)
            begin = time.monotonic()
            tables.setdefault(part.table, []).append(
                part.row | _measured(part) | {"seconds in all": round(time.monotonic() - begin, 1)}
            )
        write_json(out / "bench.json", tables)
        with atomic_path(out / "bench.md") as path:
            path.write_text("\n".join(_markdown(tables)), encoding="utf-8")
    return tables


def _parts(case: BenchmarkCase, sizes: Sequence[Size], batches: Sequence[int]) -> Iterator[_Part]:
    def translation(variant: str, size: Size, batch: int, precision: Precision) -> _Part:
        of_row = replace(case, expansions=VARIANTS[variant], size=size, batch=batch, precision=precision)
        row = {"network": variant, "size": _named(size), "batch": batch, "precision asked for": precision}
        return _Part("translation", row, lambda: _translation(of_row))

    def training(size: Size, batch: int) -> _Part:
        of_row = replace(case, expansions=VARIANTS["hf"], size=size, batch=batch)
        return _Part("training", {"size": _named(size), "batch": batch}, lambda: _training(of_row))

    def others(size: Size) -> _Part:
        return _Part("others", {"size": _named(size)}, lambda: _others(replace(case, size=size, batch=1)))

    first = sizes[0]
    small = [size for size in sizes if size[0] * size[1] <= TRAINING_PIXELS] or [first]
    for batch in batches:
        yield translation("hf", first, batch, case.precision)
    yield training(small[0], batches[0])
    count = FRAMES_A_BATCH * batches[0]
    of_stages = replace(case, expansions=VARIANTS["hf"], size=first, batch=batches[0])
    row = {"size": _named(first), "batch": batches[0], "frames": count}
    yield _Part("disk to disk", row, lambda: _stages(of_stages, count))
    yield translation("hf", first, batches[0], "fp32")
    yield others(first)
    for size in sizes[1:]:
        yield translation("hf", size, batches[0], case.precision)
    for batch in batches[1:]:
        yield training(small[0], batch)
    yield translation("hf+", first, batches[0], case.precision)
    for size in sizes[1:]:
        for batch in batches[1:]:
            yield translation("hf", size, batch, case.precision)
        yield others(size)
    yield translation("hf++", first, batches[0], case.precision)


def _translation(case: BenchmarkCase) -> Row:
    found = benchmark(case)
    return {
        "plain, frames/s": None if found.plain is None else 1 / found.plain,
        "translate, frames/s": 1 / found.translate,
        "ratio": found.ratio,
        "share of the convolutions alone": found.convolutions / found.translate,
        "plain, GB": found.plain_memory and found.plain_memory / 1e9,
        "translate, GB": found.translate_memory and found.translate_memory / 1e9,
        "largest difference": found.largest,
        "mean difference": found.mean,
        "by": f"{found.precision}, {found.backend}",
        "copy, GB/s": found.copy / 1e9,
    }


def _training(case: BenchmarkCase) -> Row:
    found = benchmark_training(case)
    return {
        "plain, samples/s": 1 / found.plain,
        "train, samples/s": 1 / found.train,
        "ratio": found.ratio,
        "by": found.precision,
    }


def _stages(case: BenchmarkCase, frames: int) -> Row:
    found = benchmark_stages(case, frames)
    rates = {f"{name}, frames/s": 1 / getattr(found, name) for name in ("decode", "network", "encode", "whole")}
    return rates | {"whole against the slowest": found.share}


def _others(case: BenchmarkCase) -> Row:
    return {f"{name}, frames/s": 1 / seconds for name, seconds in benchmark_others(case).items()}


def _measured(part: _Part) -> Row:
    """What was found, or why nothing was: one part that fails must not cost the others."""
    try:
        return part.measure()
    except Exception as error:
        say(f"failed: {error}")
        first = next(iter(str(error).splitlines()), type(error).__name__)
        return {"failed": "out of memory" if is_out_of_memory(error) else first[:200]}


def _machine(case: BenchmarkCase) -> Row:
    version, device, threads = machine_marks(case.device)
    row = {"device": device, "torch": version, "python": platform.python_version(), "threads": threads}
    if case.device.type == "cuda":
        properties = torch.cuda.get_device_properties(case.device)
        row |= {"CUDA": torch.version.cuda, "memory, GB": properties.total_memory / 1e9}
    return row


def _named(size: Size) -> str:
    return f"{size[0]}x{size[1]}"


def _markdown(tables: Mapping[str, list[Row]]) -> Iterator[str]:
    for name, rows in tables.items():
        columns = list(dict.fromkeys(column for row in rows for column in row))
        yield f"### {name[0].upper()}{name[1:]}\n"
        yield f"| {' | '.join(columns)} |"
        yield f"|{' -- |' * len(columns)}"
        for row in rows:
            yield f"| {' | '.join(_cell(row.get(column)) for column in columns)} |"
        yield ""


def _cell(value: object) -> str:
    if value is None:
        return ""
    return f"{value:.3g}" if isinstance(value, float) else json.dumps(value).strip('"')
