"""hflow picture: frames of the last run before and after, as one image."""

from pathlib import Path
from typing import Annotated

import typer

from hflow.foundation.atomic_files import atomic_path
from hflow.foundation.errors import HflowError
from hflow.pipeline import outputs

__all__ = ["picture"]

KINDS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG"}


def picture(
    out: Annotated[Path, typer.Argument(help="The .png or .jpg to write.")],
    frames: Annotated[int, typer.Option(min=1, help="How many frames.")] = 4,
) -> None:
    """Draw frames of the last run before and after, with the images whose style they took.

    Writes OUT, a .png or .jpg, in 6 seconds. Example: `hflow picture docs/before-after.jpg`
    """
    kind = KINDS.get(out.suffix.lower())
    if not kind:
        raise HflowError(f"{out} is neither a .png nor a .jpg: name one")
    from hflow.reports.evaluation_files import before_after
    from hflow.reports.examples import example_frames

    shown = before_after(example_frames(outputs.PREPARED, outputs.TRANSLATED, frames))
    with atomic_path(out) as place:
        shown.save(place, kind, quality=88, subsampling=0)
