"""What the flows of all stages share: a fault that the user can mend fails the run in one line."""

import functools
import sys
from collections.abc import Callable
from typing import Any, ParamSpec, cast

from prefect import Flow, flow
from prefect.artifacts import create_table_artifact
from prefect.states import Failed, State

from hflow.errors import HflowError

__all__ = ["publish_table", "run_as_command", "stage_flow"]

Parameters = ParamSpec("Parameters")


def stage_flow(function: Callable[Parameters, Any]) -> Flow[Parameters, Any]:
    """A flow named after the function. Caching is DVC's work: the flow keeps no results."""

    @functools.wraps(function)
    def run(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Any:
        try:
            return function(*args, **kwargs)
        except HflowError as error:
            return Failed(message=str(error))

    return flow(name=function.__name__)(run)


def run_as_command(stage: Flow[..., Any], **parameters: Any) -> None:
    """Run the flow; exit with status 1, the reason as the last line, where it does not complete."""
    state = cast("State[Any]", stage(**parameters, return_state=True))
    if not state.is_completed():
        print(f"hflow: {state.message}", file=sys.stderr)
        sys.exit(1)


def publish_table(key: str, values: dict[str, Any], description: str) -> None:
    """A table artifact of names and values."""
    rows = [{"name": name, "value": _shown(value)} for name, value in values.items()]
    create_table_artifact(rows, key=key, description=description)


def _shown(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
