"""hflow clean: what of .hflow is of no more use."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from hflow.foundation.size_in_words import size_in_words

if TYPE_CHECKING:
    from hflow.pipeline.cleaning import Cleaned

__all__ = ["clean", "cleaning_in_words"]


def clean(
    keep: Annotated[int, typer.Option(min=1, help="Of how many last runs of a stage the work is kept.")] = 1,
    yes: Annotated[bool, typer.Option("--yes", help="Remove what goes; without it nothing is changed.")] = False,
) -> None:
    """Remove from .hflow the finished pieces of work that no run of late has used, as those of an earlier model.

    Prints what stays, what goes and how much room that makes. Kept is what a stopped run goes on from, and all of a
    stage that is running. Without --yes it writes nothing. Example: `hflow clean --keep 2 --yes`
    """
    from hflow.pipeline import cleaning

    for line in cleaning_in_words(cleaning.clean(keep, remove=yes), removed=yes):
        print(line)


def cleaning_in_words(found: "Sequence[Cleaned]", *, removed: bool) -> Iterator[str]:
    """A line a folder, and one on what that comes to."""
    for one in found:
        kept = f"keeps {len(one.kept)} ({size_in_words(one.kept_bytes)}){', ' if one.why else ''}{one.why}"
        gone = f"{'removed' if removed else 'would remove'} {len(one.gone)} ({size_in_words(one.gone_bytes)})"
        yield f".hflow/{one.folder:<10} {kept}" + (f"; {gone}" if one.gone else "")
    freed = size_in_words(sum(one.freed for one in found))
    if not any(one.gone for one in found):
        yield "there is nothing to remove"
    elif removed:
        yield f"{freed} are free again"
    else:
        yield f"that frees {freed}; `hflow clean --yes` does it"
