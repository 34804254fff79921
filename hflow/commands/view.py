"""hflow view: the translated frames in FiftyOne, or the report where FiftyOne is not installed."""

from contextlib import nullcontext
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from hflow.commands.console import Device
from hflow.foundation.errors import HflowError
from hflow.foundation.locks import exclusive
from hflow.pipeline import outputs

__all__ = ["view"]

REPORT = outputs.REPORTS / "index.html"


def view(
    out: Annotated[
        Path | None, typer.Option(help="Write FiftyOne's dataset to this folder, and open nothing; needs no FiftyOne.")
    ] = None,
    frames: Annotated[int, typer.Option(min=1, help="How many at most, the worst first.")] = 1000,
    translated: Annotated[Path, typer.Option(help="The frames: a folder that translate wrote.")] = outputs.TRANSLATED,
    prepared: Annotated[Path, typer.Option(help="What they were made of.")] = outputs.PREPARED,
    name: Annotated[str, typer.Option(help="Of the dataset in FiftyOne.")] = "hflow",
    embeddings: Annotated[bool, typer.Option(help="Compute what FiftyOne's map of the frames is drawn from.")] = True,
    device: Device = "auto",
) -> None:
    """Open the frames in FiftyOne, source, translated, style and truth side by side; without FiftyOne, the report.

    Writes .hflow/view/dataset, or --out: a grouped dataset with labels, SSIM, consistency, style, model and embeddings
    as fields, the least consistent first; 60 frames of 128x64 in 4 seconds on two cores. Example: `hflow view`
    """
    installed = find_spec("fiftyone") is not None
    if out is None and not installed:
        if not REPORT.is_file():
            raise HflowError(
                f"FiftyOne is not installed, and {REPORT} is missing: `uv pip install 'hflow[fiftyone]'`, or "
                "`make repro`"
            )
        print(f"FiftyOne is not installed (`uv pip install 'hflow[fiftyone]'`): the report is {REPORT}")
        typer.launch(REPORT.absolute().as_uri())
        return
    from hflow.datasets.verdicts import Verdicts
    from hflow.foundation.devices import pick_device
    from hflow.metrics.feature_spaces import load_feature_space
    from hflow.review.fiftyone_folder import write_fiftyone_dataset
    from hflow.review.frames import choose_frames

    chosen = choose_frames(translated, prepared, frames, Verdicts())
    folder = out or outputs.work_folder("view") / "dataset"
    space = load_feature_space("vgg16", device=pick_device(device)) if embeddings else None
    # The app shows the files themselves: while it is open, nobody else writes or removes them.
    with nullcontext() if out else exclusive(folder):
        count = write_fiftyone_dataset(chosen, folder, name=name, features=space)
        print(f"{len(chosen.rows)} frames, {count} images: {folder}")
        if out is not None:
            print(
                f"import it by: fiftyone datasets create --name {name} --dataset-dir {folder} "
                "--type fiftyone.types.FiftyOneDataset"
            )
            return
        from hflow.review.fiftyone_app import import_dataset, open_app

        open_app(import_dataset(folder, name, measure=chosen.measure, embedded=embeddings))
