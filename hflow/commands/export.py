"""hflow export: a translated dataset as other tools load it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from hflow.commands.console import DEFAULT, ParamsFile, show
from hflow.foundation.errors import HflowError
from hflow.foundation.frame_size import LARGEST_SIDE
from hflow.foundation.params import Params, load_params
from hflow.foundation.stores import path_or_store
from hflow.pipeline import outputs
from hflow.pipeline.origins import origins

if TYPE_CHECKING:
    from hflow.export.description import TaskScore

__all__ = ["export", "task_scores"]


def export(
    path: Annotated[str, typer.Argument(help="A folder of shards that translate wrote; s3://... too.")],
    out: Annotated[str, typer.Argument(help="The folder to write; s3://... too.")],
    layout: Annotated[
        Literal["gta", "cityscapes", "webdataset", "imagefolder", "coco", "yolo"],
        typer.Option(help="Whose files; coco and yolo need carried instances."),
    ],
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

    project = load_params(params) if params.is_file() else None
    dataset = path_or_store(path)
    show(
        export(
            dataset,
            path_or_store(out),
            layout=layout,
            image_format=image_format,
            selection=Selection(split, min_consistency, size),
            origins=origins(project) if project else {},
            scores=task_scores(project, dataset) if project and isinstance(dataset, Path) else {},
        )
    )


def task_scores(params: Params, path: Path) -> dict[str, "TaskScore"]:
    """What segmenters reach that learned from the project's frames, as given and translated, and from photographs.

    Args:
        params: name the sets that they learned from.
        path: a dataset; any but the project's own translated frames has no scores.

    Returns:
        By the set's name: source, translated, target; without those whose scores are of other data than there is now.
    """
    from hflow.datasets.manifest import MANIFEST, read_manifest
    from hflow.export.description import TaskScore
    from hflow.segmentation.current_scores import read_current_scores

    if path.resolve() != outputs.TRANSLATED.resolve():
        return {}
    rows = read_manifest(path / MANIFEST).translated
    found: dict[str, TaskScore] = {}
    for name in ("source", "translated", "target"):
        if not rows or name not in params.segment.train_on:
            continue
        try:
            scores = read_current_scores(
                outputs.SEGMENTATION,
                [name],
                sets=outputs.SETS,
                prepared=outputs.PREPARED,
                model_sha256=rows[0]["model_sha256"],
            )[name]
        except HflowError:
            continue
        found[name] = TaskScore(scores.miou, scores.iou)
    return found
