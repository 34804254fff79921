"""hflow release: the trained model to the registry, and through the gate."""

from typing import Annotated

import typer

from hflow.commands.console import DEFAULT, ParamsFile, show
from hflow.foundation.errors import HflowError
from hflow.foundation.params import load_params

__all__ = ["release"]


def release(
    rollback: Annotated[bool, typer.Option("--rollback", help="Make the champion before champion again.")] = False,
    replace: Annotated[bool, typer.Option("--replace", help="Leave the champion's score out of the gate.")] = False,
    params: ParamsFile = DEFAULT,
) -> None:
    """Register the trained model as challenger; it becomes champion if it passes the gate in params.yaml.

    Writes to the registry that tracking.uri names, in seconds. Example: `hflow release`
    """
    settings = load_params(params)
    from hflow.pipeline import release

    if rollback:
        show(release.rollback(settings))
        return
    outcome = release.release(settings, replace=replace)
    show(outcome)
    if not outcome["champion"]:
        raise HflowError(f"version {outcome['version']} of {outcome['model']} {outcome['outcome']}")
