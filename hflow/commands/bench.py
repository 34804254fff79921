"""hflow bench: how fast it is here."""

from typing import Annotated, Literal

import typer

from hflow.commands.console import Device
from hflow.foundation.errors import HflowError
from hflow.foundation.params import VARIANTS

__all__ = ["bench"]


def bench(
    variant: Annotated[list[str] | None, typer.Option(help=f"Of {', '.join(VARIANTS)}; may be repeated.")] = None,
    size: Annotated[tuple[int, int] | None, typer.Option(min=16, help="Width and height: 512 256 or all.")] = None,
    batch: Annotated[int | None, typer.Option(min=1, help="Frames a call: 1 or all.")] = None,
    rounds: Annotated[int, typer.Option(min=1, help="How often each is timed.")] = 5,
    device: Device = "auto",
    precision: Annotated[Literal["auto", "fp32", "bf16"], typer.Option(help="Of translation or training.")] = "auto",
    stages: Annotated[int, typer.Option(min=0, help="Time decode, network, encode and the whole on so many.")] = 0,
    training: Annotated[bool, typer.Option("--training", help="Time the training step.")] = False,
    others: Annotated[bool, typer.Option("--others", help="Time the generators of other methods.")] = False,
    table: Annotated[bool, typer.Option("--table", help="All sizes and batches, or those given, as Markdown.")] = False,
    busy: Annotated[
        bool, typer.Option("--busy", help="Count processor seconds of one thread, not the clock's.")
    ] = False,
) -> None:
    """Time translation against the network run plainly, by turns, and against the device's limits."""
    names = variant or ["hf"]
    for name in names:
        if name not in VARIANTS:
            raise HflowError(f"there is no variant {name!r}: take one of {', '.join(VARIANTS)}")
    from hflow.benchmarks import tables as shown
    from hflow.benchmarks.stages import benchmark_stages
    from hflow.benchmarks.training import benchmark_training
    from hflow.benchmarks.translation import benchmark, benchmark_others, busy_clock
    from hflow.foundation.devices import pick_device

    sizes = shown.SIZES if size is None else (size,)
    batches = shown.BATCHES if batch is None else (batch,)
    size, batch, where = size or (512, 256), batch or 1, pick_device(device)
    if busy and where.type != "cpu":
        raise HflowError("--busy counts a processor's seconds, which say nothing of a GPU's work: leave it out")
    if stages:
        for name in names:
            found = benchmark_stages(
                VARIANTS[name], size=size, frames=stages, batch=batch, device=where, precision=precision
            )
            shown.show_stages(found)
        return
    with busy_clock(busy) as clock:
        if table:
            shown.show_table(
                names, sizes=sizes, batches=batches, rounds=rounds, device=where, precision=precision, clock=clock
            )
            return
        if others:
            shown.show_others(benchmark_others(size=size, batch=batch, rounds=rounds, device=where, clock=clock))
            return
        for name in names:
            expansions = VARIANTS[name]
            of = f"{name} {expansions}, {size[0]}x{size[1]}, batch {batch}, on {where}"
            if training:
                steps = benchmark_training(
                    expansions, size=size, batch=batch, rounds=rounds, device=where, precision=precision, clock=clock
                )
                shown.show_training(of, steps)
            else:
                frames = benchmark(
                    expansions, size=size, batch=batch, rounds=rounds, device=where, precision=precision, clock=clock
                )
                shown.show_benchmark(of, frames)
