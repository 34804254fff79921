"""What the commands share: the option --params, the device, and how figures are printed."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from hflow.foundation.errors import HflowError
from hflow.foundation.frame_size import MOST_PIXELS

__all__ = ["DEFAULT", "Device", "MaxPixels", "ParamsFile", "options_given", "refuse_options", "show"]

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


def options_given(context: typer.Context) -> dict[str, str]:
    """What stands on the command line: a parameter's name to its option, such as `output_format` to --output-format."""
    sources = {parameter: context.get_parameter_source(parameter.name or "") for parameter in context.command.params}
    return {
        parameter.name or "": parameter.opts[0]
        for parameter, source in sources.items()
        if source and source.name == "COMMANDLINE"
    }


def refuse_options(context: typer.Context, *, read: Collection[str], where: str) -> None:
    """See that no option is given that would change nothing.

    Args:
        context: of the command.
        read: the names of the parameters that are read.
        where: what the others do nothing for, and what to do, as an error says it.

    Raises:
        HflowError: another option stands on the command line.
    """
    given = [option for name, option in options_given(context).items() if name not in read]
    if given:
        raise HflowError(f"{', '.join(given)} {'does' if len(given) == 1 else 'do'} nothing for {where}")
