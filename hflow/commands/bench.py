"""hflow bench: how fast it is here."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from hflow.commands.console import Device
from hflow.foundation.errors import HflowError
from hflow.foundation.frame_size import SMALLEST_SIDE
from hflow.foundation.params import VARIANTS

__all__ = ["bench"]


def bench(
    variant: Annotated[list[str] | None, typer.Option(help=f"Of {', '.join(VARIANTS)}; may be repeated.")] = None,
    size: Annotated[
        tuple[int, int] | None, typer.Option(min=SMALLEST_SIDE, help="Width and height: 512 256 or all.")
    ] = None,
    batch: Annotated[int | None, typer.Option(min=1, help="Frames a call: 1 or all.")] = None,
    rounds: Annotated[int, typer.Option(min=1, help="How often each is timed.")] = 5,
    device: Device = "auto",
    precision: Annotated[Literal["auto", "fp32", "bf16"], typer.Option(help="Of translation or training.")] = "auto",
    stages: Annotated[int, typer.Option(min=0, help="Time decode, network, encode and the whole on so many.")] = 0,
    training: Annotated[bool, typer.Option("--training", help="Time the training step.")] = False,
    preparation: Annotated[
        bool, typer.Option("--preparation", help="Time what a training takes beside its steps.")
    ] = False,
    bookkeeping: Annotated[
        int, typer.Option(min=0, help="Time what so many frames, 1000000, take beside their pictures.")
    ] = 0,
    others: Annotated[bool, typer.Option("--others", help="Time other methods' generators and the variants.")] = False,
    exported: Annotated[
        bool, typer.Option("--exported", help="Time what export-model writes, in ONNX Runtime on a CPU.")
    ] = False,
    guide: Annotated[bool, typer.Option("--guide", help="Time the guided filter beside the network.")] = False,
    waiting: Annotated[bool, typer.Option("--waiting", help="Time --help, ten frames, and imports.")] = False,
    memory: Annotated[bool, typer.Option("--memory", help="Calculate what memory the tensors take.")] = False,
    table: Annotated[bool, typer.Option("--table", help="All sizes and batches, or those given, as Markdown.")] = False,
    busy: Annotated[
        bool, typer.Option("--busy", help="Count processor seconds of one thread, not the clock's.")
    ] = False,
    suite: Annotated[
        Path | None, typer.Option(help="All of these by turns: the folder for bench.json and bench.md.")
    ] = None,
    minutes: Annotated[float, typer.Option(min=0, help="After which the suite begins nothing more.")] = 8.0,
) -> None:
    """Time translation against the network run plainly, by turns, and against the device's limits.

    Prints a table and writes nothing but with --suite: 8 seconds for 256x128 on two cores, 14 for 512x256.
    Example: `hflow bench --size 256 128`
    """
    names = variant or ["hf"]
    for name in names:
        if name not in VARIANTS:
            raise HflowError(f"there is no variant {name!r}: take one of {', '.join(VARIANTS)}")
    from hflow.benchmarks import printing
    from hflow.benchmarks.bookkeeping import benchmark_bookkeeping
    from hflow.benchmarks.case import BenchmarkCase, busy_clock
    from hflow.benchmarks.exported import benchmark_exported
    from hflow.benchmarks.guided_filter import benchmark_guided_filter
    from hflow.benchmarks.preparation import benchmark_preparation
    from hflow.benchmarks.suite import BATCHES, SIZES, run_suite
    from hflow.benchmarks.training import benchmark_training
    from hflow.benchmarks.translation import benchmark, benchmark_others
    from hflow.benchmarks.translation_stages import benchmark_stages
    from hflow.benchmarks.waiting import benchmark_waiting
    from hflow.foundation.devices import pick_device

    where = pick_device(device)
    if busy and where.type != "cpu":
        raise HflowError("--busy counts a processor's seconds, which say nothing of a GPU's work: leave it out")
    with busy_clock(busy and not stages) as clock:
        cases = {
            name: BenchmarkCase(VARIANTS[name], size or (512, 256), batch or 1, where, precision, rounds, clock)
            for name in names
        }
        case = next(iter(cases.values()))
        if suite:
            sizes, batches = (size,) if size else SIZES, (batch,) if batch else BATCHES
            run_suite(case, suite, minutes=minutes, sizes=sizes, batches=batches)
            print((suite / "bench.md").read_text(encoding="utf-8"))
            return
        if stages:
            for case in cases.values():
                printing.show_stages(benchmark_stages(case, stages))
        elif table:
            sizes = printing.SIZES if size is None else (size,)
            printing.show_table(case, names, sizes, printing.BATCHES if batch is None else (batch,))
        elif memory:
            for name, case in cases.items():
                printing.show_memory(name, case.expansions, [size] if size else SIZES, [batch] if batch else BATCHES)
        elif bookkeeping:
            printing.show_bookkeeping(bookkeeping, benchmark_bookkeeping(bookkeeping))
        elif waiting:
            printing.show_waiting(benchmark_waiting(case))
        elif exported:
            printing.show_others(benchmark_exported(case))
        elif guide:
            printing.show_others(benchmark_guided_filter(case))
        elif others:
            printing.show_others(benchmark_others(case))
        elif preparation:
            for name, case in cases.items():
                printing.show_preparation(f"{name} {case}", benchmark_preparation(case))
        elif training:
            for name, case in cases.items():
                printing.show_training(f"{name} {case}", benchmark_training(case))
        else:
            for name, case in cases.items():
                printing.show_benchmark(f"{name} {case}", benchmark(case))
