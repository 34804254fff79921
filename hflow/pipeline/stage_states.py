"""What of the pipeline is there, how old it is, and what the next run would do, by what DVC says."""

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from hflow.foundation.dvc_files import dvc_stages
from hflow.pipeline.dvc_answers import PIPELINE, dvc_answer

__all__ = ["StageState", "stage_states"]

State = Literal["fresh", "stale", "follows", "missing"]


@dataclass(frozen=True)
class StageState:
    """A stage of dvc.yaml.

    Attributes:
        name: as DVC names it, such as segment@translated.
        state: fresh; stale, where something that it depends on or has made is changed; follows, where it is behind a
            stage that is stale; or missing, where it never ran here.
        why: what is changed, or which stage it follows; empty where it is fresh or never ran.
        made: seconds since the epoch at which the newest of its outputs was written; None where none is there.
        size: of its outputs, in bytes, as DVC noted it.
    """

    name: str
    state: State
    why: str
    made: float | None
    size: int


def stage_states(folder: Path) -> list[StageState]:
    """Each stage that `make repro` would look at, in the order of dvc.yaml, those of subfolders first; all stages of a
    project that has no stage `evaluate`.

    Raises:
        HflowError: DVC is not installed, `folder` is none of its projects, or DVC can't say.
    """
    names = dvc_answer(folder, "stage", "list", "--recursive", "--name-only", ".").split()
    if PIPELINE in names:
        needed = set(re.findall(r'"(.*?)"', dvc_answer(folder, "dag", "--dot", PIPELINE)))
        names = [name for name in names if name in needed]
    changes: Mapping[str, Any] = json.loads(dvc_answer(folder, "status", "--json", *names) or "{}")
    noted = dict(_noted(folder))
    stale: dict[str, str] = {}  # stages that would run, and why
    states = []
    for name in sorted(names, key=lambda name: ":" not in name):
        entry = noted.get(name)
        outs = [] if entry is None else entry["outs"]
        behind = None if entry is None else _behind(entry.get("deps", ()), stale, noted)
        state: State
        if entry is None:
            state, why = "missing", ""
        elif name in changes:
            state, why = "stale", _said(changes[name])
        elif behind:
            state, why = "follows", behind
        else:
            state, why = "fresh", ""
        if state != "fresh":
            stale[name] = why
        paths = [folder / out["path"] for out in outs]
        made = max((path.stat().st_mtime for path in paths if path.exists()), default=None)
        states.append(StageState(name, state, why, made, sum(out.get("size", 0) for out in outs)))
    return states


def _behind(deps: Sequence[Mapping[str, Any]], stale: Mapping[str, str], noted: Mapping[str, Any]) -> str | None:
    """The first stale stage whose output one of the dependencies is, or lies in."""
    for name in stale:
        for out in noted.get(name, {"outs": ()})["outs"]:
            if any(Path(dep["path"]).is_relative_to(out["path"]) for dep in deps):
                return name
    return None


def _said(changes: Sequence[Any]) -> str:
    """DVC's account of a stage as one line, such as `train.steps modified, data/prepared deleted`."""
    parts = []
    for change in changes:
        if isinstance(change, str):
            parts.append(change)
            continue
        for found in change.values():
            for what, how in found.items():
                parts += [f"{key} {of}" for key, of in how.items()] if isinstance(how, dict) else [f"{what} {how}"]
    return ", ".join(parts)


def _noted(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """What dvc.lock files hold, by the stage's name, paths from `folder` on."""
    for lock in (folder / "dvc.lock", *sorted(folder.glob("*/dvc.lock"))):
        if not lock.is_file():
            continue
        inside = lock.parent.relative_to(folder)
        declared, locked = (dvc_stages(path) for path in (lock.with_name("dvc.yaml"), lock))
        for name, entry in locked.items():
            # A path is from the folder on in which the stage runs, and that is noted in dvc.yaml alone.
            place = inside / declared.get(name.partition("@")[0], {}).get("wdir", "")
            for item in (*entry.get("deps", ()), *entry.get("outs", ())):
                item["path"] = os.path.normpath(place / item["path"])
            full = name if inside == Path() else f"{inside}/dvc.yaml:{name}"
            yield full, {"outs": (), **entry}
