"""hflow check: whether raw datasets are what they should be."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from hflow.commands.console import DEFAULT, ParamsFile
from hflow.datasets.inspection import FULL, Inspection, inspect_dataset
from hflow.datasets.layouts.opening import LAYOUTS, open_raw
from hflow.foundation.errors import HflowError
from hflow.foundation.params import Params, load_params
from hflow.pipeline.outputs import TOWN

__all__ = ["check"]


def check(
    root: Annotated[Path | None, typer.Argument(help="A raw dataset; none: those that params.yaml names.")] = None,
    layout: Annotated[str, typer.Option(help=f"Of ROOT: {', '.join(LAYOUTS)}.")] = "gta",
    train: Annotated[str, typer.Option(help="The folder of ROOT's training split.")] = "train",
    val: Annotated[str, typer.Option(help="The folder of ROOT's validation split.")] = "val",
    whole: Annotated[bool, typer.Option("--whole", help="Read every file of ROOT, not some of them.")] = False,
    params: ParamsFile = DEFAULT,
) -> None:
    """Check params.yaml and its raw datasets, or see whether a folder is the dataset that it should be."""
    if root is None:
        _check_raw(load_params(params))
        return
    if layout not in LAYOUTS:
        raise HflowError(f"there is no layout {layout!r}: take one of {', '.join(LAYOUTS)}")
    found = inspect_dataset(root, layout, train=train, val=val, whole=whole)
    _tell(found, FULL.get(layout, {}))
    if found.at_fault:
        more = f", the first {len(found.faults)} are above" if found.at_fault > len(found.faults) else ""
        raise HflowError(f"{found.at_fault:,} samples of {root} are at fault{more}: prepare will reject them")
    print(f"{root} is a dataset of the layout {layout}: no fault found")


def _check_raw(params: Params) -> None:
    """See whether the raw datasets are there, in their layouts; the town's may be yet to be drawn."""
    for domain in (params.data.source, params.data.target):
        if domain.root.exists() or not domain.root.is_relative_to(TOWN):
            open_raw(domain.root, domain.layout, train=domain.train, val=domain.val)


def _tell(found: Inspection, full: Mapping[str, int]) -> None:
    """Print what is in a dataset; `full` is how many images the official one has a split."""
    for split, images in found.images.items():
        expected = full.get(split)
        official = f" (the official dataset has {expected:,})" if expected and expected != images else ""
        print(f"{split}: {images:,} images{official}, {found.labelled[split]:,} with label")
    sizes = ", ".join(f"{width}x{height} ({count:,})" for (width, height), count in list(found.sizes.items())[:5])
    print(f"sizes: {sizes}{', ...' if len(found.sizes) > 5 else ''}")
    if found.classes:
        print("classes: " + ", ".join(f"{name} {share:.1%}" for name, share in found.classes.items()))
    print(f"looked at: names of all files, headers of {found.headers:,} samples, pixels of {found.read:,}")
    for fault in found.faults:
        print(f"fault: {fault}")
