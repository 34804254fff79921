"""hflow sweep: the whole pipeline once for each of some values of a parameter."""

from pathlib import Path
from typing import Annotated

import typer

from hflow.commands.console import DEFAULT
from hflow.foundation.params import load_params

__all__ = ["sweep"]


def sweep(
    what: Annotated[
        str,
        typer.Argument(
            help="k, variant, layers, adain, resolution or seeds; or a parameter with values, such as loss.k=0.7,0.9."
        ),
    ],
    out: Annotated[Path, typer.Option(help="The folder that gets a folder of the sweep's name.")] = Path("sweeps"),
) -> None:
    """Run the whole pipeline once for each of some values of a parameter, and lay the figures side by side.

    Writes OUT/NAME/index.html and results.csv: as long as all the runs of `make repro`, less what they have in common.
    Each is an experiment of DVC; stopped, it goes on with those that are not done. Example: `hflow sweep k`
    """
    params = load_params(DEFAULT)
    from hflow.pipeline.sweeps import run_sweep, sweep_settings
    from hflow.reports.sweep_page import write_sweep

    settings = sweep_settings(what, params)
    runs = run_sweep(what, settings, Path.cwd())
    name = what.partition("=")[0]
    page = write_sweep(name, [(run.name, run.setting, run.figures) for run in runs], out / name)
    print(f"{len(runs)} experiments are compared in {page}")
