"""hflow push: a dataset onto the Hugging Face hub."""

from pathlib import Path
from typing import Annotated

import typer

from hflow.commands.console import DEFAULT, ParamsFile, show
from hflow.commands.export import origins, task_scores
from hflow.foundation.params import load_params
from hflow.pipeline import outputs

__all__ = ["push"]


def push(
    to: Annotated[str, typer.Argument(help="hf://USER/NAME, a dataset on the Hugging Face hub.")],
    path: Annotated[Path, typer.Argument(help="A folder that translate or export wrote.")] = outputs.TRANSLATED,
    private: Annotated[bool, typer.Option("--private", help="Make a repository that few can see.")] = False,
    params: ParamsFile = DEFAULT,
) -> None:
    """Put a dataset onto the Hugging Face hub, with its card and its Croissant metadata; needs hflow[hub].

    Writes nothing here; reads every file first, 850 frames of 128x64 a second on two cores, and sends what isn't there.
    Stopped, it goes on where it was. Example: `hflow push hf://USER/NAME data/translated`
    """
    from hflow.export.pushing import push

    project = load_params(params) if params.is_file() else None
    show(
        push(
            path,
            to,
            private=private,
            origins=origins(project) if project else {},
            scores=task_scores(project, path) if project else {},
        )
    )
