"""hflow check: whether raw datasets are what they should be."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from hflow.commands.console import DEFAULT, MaxPixels, ParamsFile
from hflow.datasets.inspection import FULL, Inspection, inspect_dataset
from hflow.datasets.layouts.opening import LAYOUTS, open_domains, open_raw
from hflow.foundation.errors import DatasetError, HflowError
from hflow.foundation.params import DomainParams, Params, PrepareParams, load_params
from hflow.pipeline.outputs import TOWN
from hflow.pipeline.preflight import run_faults
from hflow.presets.classes import shipped_tables

__all__ = ["check"]


def check(
    root: Annotated[Path | None, typer.Argument(help="A raw dataset; none: those that params.yaml names.")] = None,
    layout: Annotated[str, typer.Option(help=f"Of ROOT: {', '.join(LAYOUTS)}.")] = "gta",
    train: Annotated[str, typer.Option(help="The folder of ROOT's training split.")] = "train",
    val: Annotated[str, typer.Option(help="The folder of ROOT's validation split.")] = "val",
    split: Annotated[str | None, typer.Option(help="The part of GTA5, by split.mat: train, val, test.")] = None,
    images: Annotated[str, typer.Option(help="The folder of images, in the layout folder.")] = "images",
    labels: Annotated[str, typer.Option(help="The folder of labels, in the layout folder.")] = "labels",
    image_ending: Annotated[str, typer.Option(help="What image names end in after the key, as _rgb.png.")] = "",
    label_ending: Annotated[str, typer.Option(help="What label names end in after the key.")] = "",
    label_from: Annotated[str, typer.Option(help="What labels hold: ids, red, colours, train_ids.")] = "ids",
    classes: Annotated[
        str | None, typer.Option(help=f"The table of classes: a file, or one of {', '.join(shipped_tables())}.")
    ] = None,
    carry: Annotated[
        list[str] | None, typer.Option(help="A kind of files to hand on, as depth; may be given several times.")
    ] = None,
    truth: Annotated[str | None, typer.Option(help="The folder beside the images with what each is to become.")] = None,
    max_pixels: MaxPixels = PrepareParams.model_fields["max_pixels"].default,
    whole: Annotated[bool, typer.Option("--whole", help="Read every file, not some of them.")] = False,
    params: ParamsFile = DEFAULT,
) -> None:
    """Check params.yaml and its raw datasets, or see whether a folder is the dataset that it should be.

    Writes nothing. Seconds, by all names and some pixels; with --whole every file is read.
    Example: `hflow check /data/gta5 --layout gta`
    """
    if root is None:
        for line in _check_run(load_params(params)):
            print(line)
        print(f"{params}: no fault found")
        return
    if layout not in LAYOUTS:
        raise HflowError(f"there is no layout {layout!r}: take one of {', '.join(LAYOUTS)}")
    given = {"root": root, "layout": layout, "train": train, "val": val, "split": split, "images": images}
    given |= {"labels": labels, "image_ending": image_ending, "label_ending": label_ending}
    given |= {"label_from": label_from, "classes": classes, "carry": carry or (), "truth": truth}
    try:
        domain = DomainParams.model_validate(given)
    except ValidationError as error:
        said = ((".".join(map(str, e["loc"])), e["msg"].removeprefix("Value error, ")) for e in error.errors())
        raise HflowError(
            "; ".join(f"--{name.replace('_', '-')}: {text}" if name else text for name, text in said)
        ) from None
    found = inspect_dataset(domain, whole=whole, max_pixels=max_pixels)
    _tell(found, FULL.get(layout, {}) if not split else {})
    if found.at_fault:
        raise DatasetError(f"{found.at_fault:,} samples of {root} are at fault: prepare will reject them")
    print(f"{root} is a dataset of the layout {layout}: no fault found")


def _check_run(params: Params) -> Iterator[str]:
    """See whether the raw datasets are there, in their layouts, and whether any stage would refuse the parameters.

    The town's datasets may be yet to be drawn.

    Returns:
        What there is, a line each.

    Raises:
        HflowError: something is at fault; all that was found is named.
    """
    domains = {"source": params.data.source, "target": params.data.target}
    there = {name: d for name, d in domains.items() if d.root.exists() or not d.root.is_relative_to(TOWN)}
    opened = open_domains(params.data) if len(there) == len(domains) else {n: open_raw(d) for n, d in there.items()}
    faults = run_faults(params, opened)
    if faults:
        raise HflowError("; ".join(faults))
    for name, domain in domains.items():
        if name not in opened:
            yield f"{name}: {domain.root}, yet to be drawn"
            continue
        counts = {split: sum(s.image is not None for s in found) for split, found in opened[name].splits.items()}
        yield f"{name}: {domain.root}, {', '.join(f'{count:,} of {split}' for split, count in counts.items())}"


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
    for note in found.notes:
        print(f"note: {note}")
    for fault in found.faults:
        print(f"fault: {fault}")
    for suggestion in found.suggestions:
        print(f"hint: {suggestion}")
