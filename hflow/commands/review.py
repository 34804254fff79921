"""hflow review and hflow verdicts: people judge frames, and what they say comes back."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from hflow.commands.console import DEFAULT, ParamsFile
from hflow.foundation.params import load_params
from hflow.pipeline import outputs

__all__ = ["review", "verdicts"]

VERDICTS_FILE = outputs.GIVEN / "verdicts.csv"


def review(
    out: Annotated[Path, typer.Argument(help="The folder to write.")] = Path("review"),
    tool: Annotated[
        Literal["page", "cvat", "label-studio"], typer.Option("--for", help="Where people judge: a browser, or a tool.")
    ] = "page",
    frames: Annotated[int, typer.Option(min=1, max=500, help="How many at most.")] = 100,
    translated: Annotated[Path, typer.Option(help="The frames: a folder that translate wrote.")] = outputs.TRANSLATED,
    prepared: Annotated[Path, typer.Option(help="What they were made of.")] = outputs.PREPARED,
    params: ParamsFile = DEFAULT,
) -> None:
    """List the least consistent frames for people to judge, as a page with keys, or as tasks for CVAT or Label Studio.

    Writes OUT/index.html, or the tool's files: 100 frames of 128x64 in 2 seconds. Frames with a verdict in the file
    that translate.reject names are left out. Without a judge, the frames least like their source come first.
    Example: `hflow review --frames 60`
    """
    from hflow.datasets.verdicts import Verdicts, read_verdicts
    from hflow.review.cvat import write_cvat_task
    from hflow.review.frames import choose_frames
    from hflow.review.label_studio import write_label_studio_tasks
    from hflow.review.page import write_review_page

    given = load_params(params).translate.reject if params.is_file() else None
    judged = read_verdicts(given) if given and given.is_file() else Verdicts()
    chosen = choose_frames(translated, prepared, frames, judged)
    if tool == "cvat":
        written = write_cvat_task(chosen, out)
    elif tool == "label-studio":
        written = write_label_studio_tasks(chosen, out)
    else:
        written = [write_review_page(chosen, out, destination=given or VERDICTS_FILE)]
    print(f"{len(chosen.rows)} of {chosen.total} frames to judge: {', '.join(map(str, written))}")
    if chosen.judged:
        print(f"{chosen.judged} have a verdict in {given} and are left out")


def verdicts(
    files: Annotated[list[Path], typer.Argument(help="CSV of the page; export of Label Studio (.json), CVAT (.xml).")],
    into: Annotated[
        Path | None, typer.Option(help="The CSV to add them to; none: the one that translate.reject names.")
    ] = None,
    params: ParamsFile = DEFAULT,
) -> None:
    """Add people's verdicts to the file that translate.reject names; the next run leaves out what they reject.

    Writes models/given/verdicts.csv, or --into; a later verdict on an image takes the place of an earlier one.
    Example: `hflow verdicts verdicts.csv`
    """
    from hflow.review.collected import collect_verdicts

    given = load_params(params).translate.reject if params.is_file() else None
    place = into or given or VERDICTS_FILE
    found = list(collect_verdicts(files, place))
    rejected = sum(verdict.rejects for verdict in found)
    print(f"{place} has {len(found)} verdicts: {len(found) - rejected} keep, {rejected} reject")
    if given is None:
        print(f"set translate.reject to {place} in {params}: the next run then leaves out what is rejected")
