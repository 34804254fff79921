"""Runs of stages that DVC starts, as children of the flow run that started DVC."""

import os
from typing import Any, cast
from uuid import UUID, uuid4

from prefect import Flow, Task
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun
from prefect.context import FlowRunContext
from prefect.flow_engine import run_flow
from prefect.settings import PREFECT_UI_URL
from prefect.states import Pending, State
from prefect.utilities.callables import get_call_parameters

from hflow.foundation.errors import HflowError

__all__ = ["for_children", "is_child", "run_as_child"]

PARENT = "HFLOW_PARENT_RUN"
"""The variable that names the flow run whose child a stage is."""


def for_children() -> dict[str, str]:
    """The variables by which commands that the current flow run starts use its server and become its children.

    Raises:
        HflowError: there is no flow run, since its server was lost before it began.
    """
    context = FlowRunContext.get()
    if context is None or context.flow_run is None:
        raise HflowError("the stages need the Prefect server that was lost: see to it, and run the same command again")
    return {
        "PREFECT_API_URL": str(context.client.api_url),
        "PREFECT_UI_URL": PREFECT_UI_URL.value() or "",
        PARENT: str(context.flow_run.id),
    }


def is_child() -> bool:
    """Whether the environment names a flow run below which a run here would stand."""
    return PARENT in os.environ


def run_as_child(stage: Flow[..., Any], parameters: dict[str, Any]) -> State[Any]:
    """Run a flow and give its final state, below the flow run that the environment names, if it names one."""
    parent = os.environ.pop(PARENT, None)
    if parent is None:
        return cast("State[Any]", stage(**parameters, return_state=True))
    whole = get_call_parameters(stage.fn, (), parameters)
    return cast("State[Any]", run_flow(stage, _child_run(stage, whole, UUID(parent)), whole, return_type="state"))


def _child_run(stage: Flow[..., Any], parameters: dict[str, Any], parent: UUID) -> FlowRun:
    """A run of a flow that stands in another run's timeline: a task run there, as Prefect itself makes it for a
    subflow, whose state follows that of the flow's run."""
    with get_client(sync_client=True) as client:
        task = client.create_task_run(Task(stage.fn, name=stage.name), parent, str(uuid4()), state=Pending())
        given = stage.serialize_parameters(parameters)
        return client.create_flow_run(stage, parameters=given, parent_task_run_id=task.id, state=Pending())
