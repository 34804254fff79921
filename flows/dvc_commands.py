"""What the flows ask of DVC: what has changed, what a remote has, to run the stages."""

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from flows.processes import run_command
from hflow.foundation.credentials import without_credentials
from hflow.foundation.dvc_files import dvc_stages
from hflow.foundation.errors import HflowError
from hflow.pipeline.dvc_answers import DVC, PIPELINE

__all__ = ["PIPELINE", "changes", "dvc", "has_remote", "pull"]


def dvc(*arguments: str, environment: Mapping[str, str] | None = None) -> int:
    """Run `dvc ARGUMENTS` and give its exit status."""
    return run_command([*DVC, *arguments], environment)


def has_remote() -> bool:
    """Whether the project names a DVC remote.

    Raises:
        HflowError: the URL of one holds credentials, which DVC would print.
    """
    remotes = [line.strip() for line in _output("remote", "list").splitlines() if line.strip()]
    for remote in remotes:
        if without_credentials(remote) != remote:
            name = remote.split()[0]
            raise HflowError(
                f"the URL of the DVC remote {name} holds credentials, which messages would show: take them out, and "
                f"run `dvc remote modify --local {name} user USER`, and the same for password"
            )
    return bool(remotes)


def changes(target: str = PIPELINE) -> dict[str, list[str]]:
    """What has changed since the last run, by stage in the order of dvc.yaml; empty where nothing has.

    Raises:
        HflowError: DVC can't tell.
    """
    said: dict[str, list[str]] = {}
    for stage, entries in json.loads(_output("status", "--json", "--with-deps", target)).items():
        groups = {kind: things for entry in entries if isinstance(entry, dict) for kind, things in entry.items()}
        outs = _flat(groups.get("changed outs", {}))
        # A run that was stopped has removed a stage's outputs too, but DVC knows the stage from the run before.
        if "changed deps" in groups and outs and set(outs.values()) == {"deleted"} and not _has_run(stage):
            said[stage] = ["it has not run here"]
        elif groups:
            said[stage] = [f"{kind}: {', '.join(sorted(_flat(things)))}" for kind, things in groups.items()]
    order = list(dvc_stages(Path("dvc.yaml")))
    # Those of other files make what the pipeline begins with.
    return dict(sorted(said.items(), key=lambda s: (_place(order, s[0].partition("@")[0]), s[0])))


def _place(order: Sequence[str], stage: str) -> int:
    return order.index(stage) if stage in order else -1


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


def _has_run(stage: str) -> bool:
    """Whether DVC has noted a run of this stage, "NAME" or "FOLDER/dvc.yaml:NAME"."""
    file, _, name = stage.rpartition(":")
    return name in dvc_stages(Path(file or "dvc.yaml").with_suffix(".lock"))


def _flat(things: Mapping[str, Any]) -> dict[str, str]:
    """What changed and how, the sections of params.yaml by their keys."""
    flat: dict[str, str] = {}
    for name, how in things.items():
        flat |= how if isinstance(how, dict) else {name: how}
    return flat


def _output(*arguments: str) -> str:
    done = subprocess.run([*DVC, *arguments], capture_output=True, text=True, check=False, env=os.environ)
    if done.returncode:
        raise HflowError(f"`dvc {' '.join(arguments)}` failed: {' '.join(done.stderr.split())[:500]}")
    return done.stdout
