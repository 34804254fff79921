"""hflow status: what of the pipeline is there, and what the next run would do."""

import time
from pathlib import Path

from hflow.commands.console import DEFAULT, ParamsFile
from hflow.foundation.params import load_params
from hflow.foundation.size_in_words import size_in_words

__all__ = ["status"]

UNITS = ((86400, "days"), (3600, "hours"), (60, "minutes"))


def status(params: ParamsFile = DEFAULT) -> None:
    """Say of each stage whether it is fresh, how old and how large it is, and what `make repro` would run.

    Prints a table and writes nothing, in 5 seconds; data that DVC has not seen before is hashed first.
    Example: `hflow status`
    """
    load_params(params)
    from hflow.pipeline.stage_states import stage_states

    states = stage_states(Path.cwd())
    wide = max((len(state.name) for state in states), default=0)
    for one in states:
        made = "" if one.made is None else _age(time.time() - one.made)
        why = f"behind {one.why}" if one.state == "follows" else one.why
        size = size_in_words(one.size) if one.size else ""
        print(f"{one.name:<{wide}}  {one.state:<8}{made:>12}{size:>10}  {why}".rstrip())
    waiting = sum(one.state != "fresh" for one in states)
    print(f"{waiting} of {len(states)} stages would run" if waiting else "nothing has changed since the last run")
    if any(one.state == "missing" for one in states):
        print("missing: not run by `make repro` or DVC, which make again what plain commands made")


def _age(seconds: float) -> str:
    for unit, name in UNITS:
        if seconds >= 2 * unit:
            return f"{seconds / unit:.0f} {name}"
    return "just now"
