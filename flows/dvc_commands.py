"""What the flows ask of DVC: what has changed, what a remote has, to run the stages."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping

from flows.processes import run_command
from hflow.errors import HflowError

__all__ = ["PIPELINE", "changes", "dvc", "has_remote", "pull"]

PIPELINE = "evaluate"
"""The last stage: what it needs is the pipeline. With a fixed model, training is no part of it."""


def dvc(*arguments: str, environment: Mapping[str, str] | None = None) -> int:
    """Run `dvc ARGUMENTS` and give its exit status."""
    return run_command([sys.executable, "-m", "dvc", *arguments], environment)


def has_remote() -> bool:
    """Whether the project names a DVC remote."""
    return bool(_output("remote", "list").strip())


def changes(target: str = PIPELINE) -> dict[str, list[str]]:
    """What has changed since the last run, by stage; empty where nothing has.

    Raises:
        HflowError: DVC can't tell.
    """
    status: dict[str, list[str | dict[str, dict[str, str]]]] = json.loads(
        _output("status", "--json", "--with-deps", target)
    )
    said: dict[str, list[str]] = {}
    for stage, entries in status.items():
        for entry in entries:
            if entry == "always changed":
                continue
            groups = {entry: {}} if isinstance(entry, str) else entry
            for kind, things in groups.items():
                said.setdefault(stage, []).append(f"{kind}: {', '.join(_named(things))}" if things else kind)
    return said


def pull(*targets: str) -> None:
    """Fetch what earlier runs left in the remote, where there is one; what it lacks is made again.

    Raises:
        HflowError: the remote can't be reached.
    """
    if has_remote() and dvc("pull", "--run-cache", "--allow-missing", *targets) != 0:
        # Without a lock file there is nothing to check out yet; the run cache is there all the same.
        code = dvc("fetch", "--run-cache")
        if code != 0:
            raise HflowError("the DVC remote can't be read, its reason is above: correct it with `dvc remote modify`")


def _named(things: Mapping[str, object]) -> list[str]:
    """The names in one group of a status, the sections of params.yaml by their keys."""
    return [key for name, thing in things.items() for key in (thing if isinstance(thing, dict) else [name])]


def _output(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "dvc", *arguments], capture_output=True, text=True, check=False, env=os.environ
    )
    if done.returncode:
        raise HflowError(f"`dvc {' '.join(arguments)}` failed: {' '.join(done.stderr.split())[:500]}")
    return done.stdout
