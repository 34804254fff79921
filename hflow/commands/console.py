"""What the commands share: the option --params, the device, and how figures are printed."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from hflow.foundation.frame_size import MOST_PIXELS

__all__ = ["DEFAULT", "Device", "MaxPixels", "ParamsFile", "show"]

DEFAULT = Path("params.yaml")
ParamsFile = Annotated[Path, typer.Option("--params", help="The parameters to run with.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, ...")]
MaxPixels = Annotated[
    int, typer.Option(min=1, max=MOST_PIXELS, help="The most pixels of an image; one that has more is not decoded.")
]


def show(values: Mapping[str, Any]) -> None:
    """Print a line a figure."""
    for key, value in values.items():
        print(f"{key}: {value:.4g}" if isinstance(value, float) else f"{key}: {value}")
