"""hflow bench: how fast it is here."""

from typing import Annotated, Literal

import typer

from hflow.commands.console import Device
from hflow.errors import HflowError
from hflow.params import VARIANTS

__all__ = ["bench"]


def bench(
    variant: Annotated[list[str] | None, typer.Option(help=f"Of {', '.join(VARIANTS)}; may be repeated.")] = None,
    size: Annotated[tuple[int, int], typer.Option(min=16, help="Width and height of a frame.")] = (512, 256),
    batch: Annotated[int, typer.Option(min=1, help="Frames a call.")] = 1,
    rounds: Annotated[int, typer.Option(min=1, help="How often each is timed.")] = 5,
    device: Device = "auto",
    precision: Annotated[Literal["auto", "fp32", "bf16"], typer.Option(help="Of translation or training.")] = "auto",
    stages: Annotated[int, typer.Option(min=0, help="Time decode, network, encode and the whole on so many.")] = 0,
    training: Annotated[bool, typer.Option("--training", help="Time the training step.")] = False,
    others: Annotated[bool, typer.Option("--others", help="Time the generators of other methods.")] = False,
    table: Annotated[bool, typer.Option("--table", help="Sizes to 2048x1024, batches 1 and 4, as Markdown.")] = False,
) -> None:
    """Time translation against the network run plainly, by turns, and against the device's limits."""
    names = variant or ["hf"]
    for name in names:
        if name not in VARIANTS:
            raise HflowError(f"there is no variant {name!r}: take one of {', '.join(VARIANTS)}")
    from hflow.benchmarks_shown import show_benchmark, show_others, show_stages, show_table, show_training
    from hflow.devices import pick_device

    where = pick_device(device)
    if table:
        show_table(names, rounds=rounds, device=where, precision=precision)
    elif others:
        show_others(size=size, batch=batch, rounds=rounds, device=where)
    elif stages:
        for name in names:
            show_stages(name, size=size, frames=stages, device=where)
    elif training:
        for name in names:
            show_training(name, size=size, batch=batch, rounds=rounds, device=where, precision=precision)
    else:
        for name in names:
            show_benchmark(name, size=size, batch=batch, rounds=rounds, device=where, precision=precision)
