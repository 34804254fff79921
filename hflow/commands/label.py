"""hflow label: pseudo-labels of either domain's images, for a training that compares class by class."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from hflow.commands.console import DEFAULT, Device, ParamsFile, show
from hflow.foundation.params import load_params
from hflow.pipeline import outputs

__all__ = ["label"]


def label(
    out: Annotated[
        Path | None,
        typer.Argument(help="The folder to write.", show_default=f"{outputs.PHOTOGRAPHS}, of frames {outputs.FRAMES}"),
    ] = None,
    of: Annotated[Literal["target", "source"], typer.Option(help="Whose images are labelled.")] = "target",
    by: Annotated[Path, typer.Option(help="The segmenter that labels: a folder as segment or judge writes it.")] = (
        outputs.SEGMENTERS / "translated"
    ),
    threshold: Annotated[float, typer.Option(min=0, max=1, help="The least probability of a pixel's label.")] = 0.9,
    device: Device = "auto",
    params: ParamsFile = DEFAULT,
) -> None:
    """Label the target's images or the frames by a segmenter, for `loss.target_labels` or `loss.source_labels`.

    Writes OUT, a dataset that says that its labels are guesses: 60 images of 256x96 a second on two cores. Pixels of
    which it is not sure have none. Stopped, it goes on with the shard that it was at.
    Example: `hflow label models/given/photographs --by models/segmenters/translated`
    """
    classes = load_params(params).data.classes
    folder = out or (outputs.FRAMES if of == "source" else outputs.PHOTOGRAPHS)
    from hflow.datasets.shards import shard_files
    from hflow.foundation.devices import pick_device
    from hflow.pipeline.run_notes import noted_run
    from hflow.segmentation.judge import load_judge
    from hflow.segmentation.pseudo_labels import check_label_folder, label_shards

    check_label_folder(folder)
    where = pick_device(device)
    judge = load_judge(by, classes=classes, device=where)
    images = shard_files(outputs.PREPARED / of / "train")
    work = outputs.work_folder("label")
    with noted_run("label", "label"):
        counts = label_shards(judge, images, folder, by=str(by), threshold=threshold, work=work, device=where)
    show({**counts, "written": folder})
