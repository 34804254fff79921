"""The whole pipeline as one flow: pull what is known, reproduce what has changed, push the results."""

import os
import subprocess
import sys
from pathlib import Path
from typing import cast

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.context import FlowRunContext
from prefect.states import Completed, Failed, State

from flows.stage import run_as_command, stage_flow
from hflow import stages
from hflow.errors import HflowError
from hflow.params import load_params

__all__ = ["sim2real"]


@stage_flow
def sim2real(params: Path = Path("params.yaml"), push: bool = True) -> str:
    """Run the pipeline in the current project.

    Args:
        params: the parameters, checked before anything runs; DVC reads params.yaml itself.
        push: hand results to the DVC remote, where there is one.

    Returns:
        Where the report is.
    """
    load_params(params)
    environment = {"PREFECT_API_URL": _api_url()}
    remote = bool(subprocess.run(_dvc("remote", "list"), capture_output=True, text=True, check=True).stdout.strip())
    if remote:
        pull(environment)
    reproduced = cast("State[None]", reproduce(environment, return_state=True))
    if not reproduced.is_completed():
        raise HflowError(str(reproduced.message))
    if remote and push:
        hand_on(environment)
    return str(stages.REPORTS / "index.html")


@task(cache_policy=NO_CACHE)
def pull(environment: dict[str, str]) -> None:
    """Fetch the results of earlier runs from the DVC remote, so that `reproduce` need not make them again."""
    subprocess.run(_dvc("pull", "--run-cache", "--allow-missing"), env=os.environ | environment, check=False)


@task(cache_policy=NO_CACHE)
def reproduce(environment: dict[str, str]) -> State[None]:
    """Run the stages whose inputs have changed; each is a flow run of its own on the same Prefect server."""
    done = subprocess.run(_dvc("repro"), env=os.environ | environment, check=False)
    if done.returncode == 0:
        return Completed(message="reproduced")
    return Failed(message="a stage failed, its reason is above; `dvc checkout` brings back what was there before")


@task(cache_policy=NO_CACHE)
def hand_on(environment: dict[str, str]) -> None:
    """Push the results to the DVC remote."""
    subprocess.run(_dvc("push", "--run-cache"), env=os.environ | environment, check=True)


def _dvc(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "dvc", *arguments]


def _api_url() -> str:
    """The server of this run, be it a temporary one, so that the stages use it too instead of starting their own."""
    context = FlowRunContext.get()
    assert context is not None
    return str(context.client.api_url)


if __name__ == "__main__":
    run_as_command(sim2real)
