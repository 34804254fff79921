"""hflow export: a translated dataset as other tools load it."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from hflow.commands.console import DEFAULT, ParamsFile, show
from hflow.foundation.frame_size import LARGEST_SIDE
from hflow.foundation.params import Params, load_params
from hflow.pipeline import outputs

__all__ = ["export", "origins"]

LICENCES = {
    "gta": "if it is Playing for Data (GTA5): for research and education alone, see download.visinf.tu-darmstadt.de",
    "cityscapes": "if it is Cityscapes: for non-commercial purposes alone, see cityscapes-dataset.com/license",
    "folder": "not stated; name it as data.source.licence or data.target.licence in params.yaml",
}


def export(
    path: Annotated[Path, typer.Argument(help="A folder of shards that translate wrote.")],
    out: Annotated[Path, typer.Argument(help="The folder to write.")],
    layout: Annotated[Literal["gta", "cityscapes", "webdataset", "imagefolder"], typer.Option(help="Whose files.")],
    image_format: Annotated[Literal["png", "jpeg", "webp"], typer.Option("--format", help="Of the images.")] = "png",
    split: Annotated[Literal["train", "val"] | None, typer.Option(help="This split alone; none: both.")] = None,
    min_consistency: Annotated[
        float, typer.Option(min=0, max=1, help="Leave out frames that the judge saw less of again.")
    ] = 0.0,
    size: Annotated[
        tuple[int, int] | None,
        typer.Option(min=1, max=LARGEST_SIDE, help="Width and height of images and labels: 512 256."),
    ] = None,
    params: ParamsFile = DEFAULT,
) -> None:
    """Write a translated dataset as other tools load it, with a card that says what it was made from.

    Writes OUT: 200 frames of 128x64 a second on two cores. Stopped, it goes on where it was.
    Example: `hflow export data/translated OUT --layout cityscapes`
    """
    from hflow.export.selection import Selection
    from hflow.export.writing import export

    known = origins(load_params(params)) if params.is_file() else {}
    selection = Selection(split, min_consistency, size)
    show(export(path, out, layout=layout, image_format=image_format, selection=selection, origins=known))


def origins(params: Params) -> dict[str, str]:
    """What the parameters name as a translated dataset's origins, each with its licence."""
    found = {}
    for name, domain in (("frames", params.data.source), ("style", params.data.target)):
        drawn = "drawn by hflow" if domain.root.is_relative_to(outputs.TOWN) else None
        found[f"{name}, {domain.root}"] = domain.licence or drawn or LICENCES[domain.layout]
    return found
