"""hflow judge: the segmenter that tells what translation changed."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

import typer

from hflow.commands.console import DEFAULT, Device, ParamsFile, show
from hflow.foundation.params import load_params
from hflow.pipeline import outputs

__all__ = ["judge"]


def judge(
    out: Annotated[Path, typer.Argument(help="The folder to write.")] = outputs.JUDGE,
    steps: Annotated[int, typer.Option(min=1, help="Of training.")] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="Of the training.")] = 0,
    on: Annotated[
        Literal["both", "target"],
        typer.Option(help="both: to see what translation changed; target: to see how real frames look (FCN score)."),
    ] = "both",
    network: Annotated[
        Literal["lraspp_mobilenet_v3_large", "efficientnet_lite0"], typer.Option(help="What is trained.")
    ] = "lraspp_mobilenet_v3_large",
    imagenet: Annotated[bool, typer.Option(help="Begin with weights that know ImageNet.")] = False,
    device: Device = "auto",
    params: ParamsFile = DEFAULT,
) -> None:
    """Train the judge that tells what translation changed, or how real frames look to one that knows photographs.

    Writes OUT, judge.safetensors and judge.json: 1000 steps on frames of 512x256 take about half an hour on two cores.
    Example: `hflow judge models/given/judge --on target`
    """
    loaded = load_params(params)
    from hflow.datasets.shards import shard_files
    from hflow.foundation.devices import pick_device
    from hflow.segmentation.judge import check_judge_folder, save_judge
    from hflow.segmentation.judge_training import train_judge

    check_judge_folder(out)
    domains = ("target",) if on == "target" else ("source", "target")
    shards = [path for domain in domains for path in shard_files(outputs.PREPARED / domain / "train")]
    trained = train_judge(
        shards,
        loaded.data.classes,
        steps=steps,
        seed=seed,
        device=pick_device(device),
        workers=loaded.segment.workers,
        name=network,
        imagenet=imagenet,
    )
    show({"judge": out, "sha256": save_judge(replace(trained, trained_on=on), out).sha256})
