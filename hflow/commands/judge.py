"""hflow judge: the segmenter that tells what translation changed."""

from pathlib import Path
from typing import Annotated

import typer

from hflow.commands.console import DEFAULT, Device, ParamsFile, show
from hflow.foundation.params import load_params
from hflow.pipeline import outputs

__all__ = ["judge"]


def judge(
    out: Annotated[Path, typer.Argument(help="The folder to write.")] = outputs.JUDGE,
    steps: Annotated[int, typer.Option(min=1, help="Of training.")] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="Of the training.")] = 0,
    device: Device = "auto",
    params: ParamsFile = DEFAULT,
) -> None:
    """Train the judge that tells what translation changed, on the labelled frames of both domains."""
    loaded = load_params(params)
    from hflow.datasets.shards import shard_files
    from hflow.foundation.devices import pick_device
    from hflow.segmentation.judge import save_judge
    from hflow.segmentation.judge_training import train_judge

    shards = [path for domain in ("source", "target") for path in shard_files(outputs.PREPARED / domain / "train")]
    trained = train_judge(
        shards,
        loaded.data.classes,
        steps=steps,
        seed=seed,
        device=pick_device(device),
        workers=loaded.segment.workers,
    )
    show({"judge": out, "sha256": save_judge(trained, out).sha256})
