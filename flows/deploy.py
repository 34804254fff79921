"""`make deploy`: register the deployments of prefect.yaml, with the pools, limit and automation that they need."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

from prefect.automations import AutomationCore
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import GlobalConcurrencyLimitCreate, WorkPoolCreate
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState
from prefect.events.schemas.automations import EventTrigger, Posture
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.champion import automate_production
from flows.server import check_server
from flows.stage import GPU
from flows.up import ADDRESSES, read_addresses
from hflow.foundation.credentials import without_credentials
from hflow.foundation.errors import HflowError
from hflow.foundation.progress import say

__all__ = ["deploy", "recorded"]

RECORDED = ("HFLOW_REPOSITORY", "MLFLOW_TRACKING_URI")
"""Variables that Prefect's server keeps, and shows to all who reach it."""
FRAMES, DATASETS = "HFLOW_FRAMES", "HFLOW_DATASETS"
"""Variables that name what every new champion translates, and the folder that gets a dataset each time."""
ZOMBIES = "hflow: runs whose worker is gone"
HEARTBEAT = 30
MISSED = timedelta(seconds=3 * HEARTBEAT)


def deploy() -> None:
    """Register everything; what is there already is brought up to date.

    Raises:
        HflowError: no server is known, no branch is checked out, the server is away or asks for another password, or
            `prefect deploy` fails.
    """
    addresses = read_addresses()
    if "PREFECT_API_URL" not in {**addresses, **os.environ}:
        raise HflowError("no Prefect server is known: run `make up` in another terminal, or set PREFECT_API_URL")
    environment = {
        "MLFLOW_TRACKING_URI": "",
        GPU: "gpu",
        "HFLOW_REPOSITORY": _git("remote", "get-url", "origin") or _git("rev-parse", "--show-toplevel"),
        "HFLOW_BRANCH": _git("rev-parse", "--abbrev-ref", "HEAD"),
        **addresses,
        **os.environ,
    }
    if environment["HFLOW_BRANCH"] in ("", "HEAD"):
        raise HflowError("no branch is checked out that workers could clone: check one out, or set HFLOW_BRANCH")
    environment |= recorded(environment)
    url = environment["PREFECT_API_URL"]
    # A client of the settings, not of the address alone: a server may ask for a password, or have its own certificate.
    with temporary_settings({PREFECT_API_URL: url}):
        if "PREFECT_API_URL" in os.environ:
            check_server(url)
        else:
            check_server(url, otherwise=f"remove {ADDRESSES}, and run `make up` in another terminal")
        with get_client(sync_client=True) as client:
            _pools(client)
            _limit(client, environment[GPU])
            _automation(client)
        command = [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all"]
        done = subprocess.run(command, env=environment, check=False)
        if done.returncode:
            raise HflowError("`prefect deploy --all` failed, its reason is above")
        frames, datasets = environment.get(FRAMES), environment.get(DATASETS)
        if frames and datasets:
            with get_client(sync_client=True) as client:
                deployment = client.read_deployment_by_name("translate-folder/translate")
                automate_production(client, deployment.id, frames=frames, datasets=datasets)


def recorded(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables that Prefect's server keeps, without credentials; those that had some are said."""
    bare = {name: without_credentials(environment[name]) for name in RECORDED}
    for name, value in bare.items():
        if value != environment[name]:
            say(f"{name} is recorded without its credentials, {value}: give them to the workers, in their environment")
    return bare


def _pools(client: SyncPrefectClient) -> None:
    for name in ("gpu", "cpu"):
        with contextlib.suppress(ObjectAlreadyExists):
            client.create_work_pool(WorkPoolCreate(name=name, type="process"))


def _limit(client: SyncPrefectClient, name: str) -> None:
    """One slot: one run a GPU. A limit that is there keeps its slots."""
    try:
        client.read_global_concurrency_limit_by_name(name)
    except ObjectNotFound:
        client.create_global_concurrency_limit(GlobalConcurrencyLimitCreate(name=name, limit=1))


def _automation(client: SyncPrefectClient) -> None:
    """A run that gives no sign of life three times is marked as crashed, which frees what it held."""
    if client.read_automations_by_name(ZOMBIES):
        return
    alive = "prefect.flow-run.heartbeat"
    ends = {f"prefect.flow-run.{state}" for state in ("Completed", "Failed", "Cancelled", "Crashed")}
    client.create_automation(
        AutomationCore(
            name=ZOMBIES,
            description="A flow run whose heartbeat stops is marked as crashed: the next one can begin.",
            trigger=EventTrigger(
                after={alive},
                expect={alive, *ends},
                match={"prefect.resource.id": ["prefect.flow-run.*"]},
                for_each={"prefect.resource.id"},
                posture=Posture.Proactive,
                threshold=1,
                within=MISSED,
            ),
            actions=[
                ChangeFlowRunState(
                    name=None, state=StateType.CRASHED, message="Its worker gives no sign of life.", force=False
                )
            ],
        )
    )


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)
    return done.stdout.strip()


if __name__ == "__main__":
    if not Path("prefect.yaml").is_file():
        sys.exit("hflow: prefect.yaml is missing: run from the project's folder")
    try:
        deploy()
    except HflowError as error:
        sys.exit(f"hflow: {error}")
