"""Names that MLflow takes for metrics, parameters and tags, and of the note beside a fetched model."""

import re
from collections.abc import Iterable

__all__ = ["REGISTERED", "legal_names"]

REGISTERED = "registered.json"
"""Beside a fetched model: which version it is."""

MOST = 250
ILLEGAL = re.compile(r"[^\w.\- :/]")
"""Everything but what MLflow's servers on Unix take; `\\w` has the letters of every language."""
PLACE = re.compile(r"^\.\.|^\.$")


def legal_names(names: Iterable[str]) -> dict[str, str]:
    """For each name one that MLflow takes, as like it as can be, and for no two the same.

    >>> legal_names(["IoU/car (parked)", "IoU/road"])
    {'IoU/car (parked)': 'IoU/car _parked_', 'IoU/road': 'IoU/road'}
    """
    given = list(dict.fromkeys(names))
    # A name that is legal keeps its own, whatever else becomes like it.
    taken = {name for name in given if _legal(name) == name}
    chosen = {name: name for name in taken}
    for name in given:
        if name not in chosen:
            like, number = _legal(name), 2
            chosen[name] = like
            while chosen[name] in taken:
                ending = f" {number}"
                chosen[name], number = like[: MOST - len(ending)] + ending, number + 1
            taken.add(chosen[name])
    return {name: chosen[name] for name in given}


def _legal(name: str) -> str:
    """Without characters that MLflow refuses, and no path to elsewhere: MLflow may make a file of this name."""
    parts = [PLACE.sub("_", part) or "_" for part in ILLEGAL.sub("_", name).split("/")]
    return "/".join(parts)[:MOST].rstrip("/")
