"""What the flows share: a fault that the user can mend fails the run in one line; a GPU serves one run at a time."""

import atexit
import contextlib
import functools
import logging
import os
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, NoReturn, ParamSpec

from httpx import HTTPError
from prefect import Flow, flow
from prefect.artifacts import create_table_artifact
from prefect.concurrency.sync import concurrency
from prefect.context import FlowRunContext
from prefect.exceptions import TerminationSignal
from prefect.logging.handlers import PrefectConsoleHandler
from prefect.runtime import flow_run
from prefect.states import Cancelled, Failed, State

from flows.child_runs import is_child, run_as_child
from flows.processes import end_with_worker
from flows.server import prefect_server
from hflow.commands.help_pages import with_page
from hflow.foundation.atomic_files import writing_fault
from hflow.foundation.credentials import without_credentials
from hflow.foundation.errors import HflowError
from hflow.foundation.utf8_mode import ensure_utf8

__all__ = ["STOPPED", "alone_on_gpu", "publish_table", "run_as_command", "stage_flow", "stopped"]

Parameters = ParamSpec("Parameters")

STOPPED = "stopped; what is finished is kept, and the same command goes on from there"

_STOPPING = threading.Event()
"""Set once this process has been told to stop, as the signal is the whole process's."""

GPU = "HFLOW_GPU"
"""The variable that names the concurrency limit of a deployment's GPU. Stages that a run starts don't see it."""


def stage_flow(function: Callable[Parameters, Any]) -> Flow[Parameters, Any]:
    """A flow named after the function. Caching is DVC's work: the flow keeps no results.

    A HflowError fails the run with its message. A run is named after what it is about, or after its time.
    """

    @functools.wraps(function)
    def run(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Any:
        try:
            return function(*args, **kwargs)
        except HflowError as error:
            return Failed(message=with_page(error))
        except Exception as error:
            fault = writing_fault(error) if isinstance(error, OSError) else None
            if fault:
                return Failed(message=fault)
            said = without_credentials(str(error))
            if said == str(error):
                raise
            # Prefect records an exception with its traceback.
            raise RuntimeError(f"{type(error).__name__}: {said}") from None
        except KeyboardInterrupt:
            return stopped()
        except TerminationSignal:
            _note_stop()
            context = FlowRunContext.get()
            # `prefect.runtime` would ask the server, which may be lost.
            if context and context.flow_run and context.flow_run.deployment_id:
                raise  # Prefect's runner sent it, and says itself what became of the run
            return stopped()

    name = function.__name__.replace("_", "-")

    def run_name() -> str:
        given = flow_run.parameters
        about = given.get("train_on") or given.get("name") or given.get("frames")
        return f"{name} {about or datetime.now(UTC).strftime('%Y-%m-%d %H:%M:%S')}"

    return flow(name=name, flow_run_name=run_name)(run)


def stopped() -> State[None]:
    """The state of a run that was told to stop. Prefect prints nothing from then on: `run_as_command` says it."""
    _note_stop()
    for name in ("prefect", None):
        for handler in logging.getLogger(name).handlers:
            if isinstance(handler, PrefectConsoleHandler):
                handler.setLevel(logging.CRITICAL + 1)
    return Cancelled(message=STOPPED)


def _note_stop() -> None:
    # By a function: a flow goes to Dask's workers with what it names, and an event can't.
    _STOPPING.set()


@contextlib.contextmanager
def alone_on_gpu() -> Iterator[None]:
    """Hold the GPU of the deployment that runs this, waiting for it; without a deployment nothing is waited for.

    Raises:
        ConcurrencySlotAcquisitionError: the limit does not exist: `make deploy` makes it.
    """
    name = os.environ.pop(GPU, None)
    if name is None:
        yield
        return
    # The work must not go on where a dead worker's run has been given up and the next one has begun.
    end_with_worker()
    with concurrency(name, strict=True, lease_duration=60):
        yield


def run_as_command(stage: Flow[..., Any], **parameters: Any) -> None:
    """Run the flow; exit with status 1, the reason as the last line, where it does not complete, 130 where stopped.

    That it was stopped is said in one line: by the run that started DVC, where this is a stage that DVC runs for it.
    """
    ensure_utf8()
    # Prefect would print of each batch of log lines that it can't be sent: that a server is lost is said once, below.
    logging.raiseExceptions = False
    stop = "" if is_child() else STOPPED
    # Until this process ends, not until the flow does: Prefect hands on the last log lines at the very end.
    server = contextlib.ExitStack()
    atexit.register(server.close)
    try:
        server.enter_context(prefect_server())
        state = run_as_child(stage, parameters)
    except HTTPError as error:
        if _STOPPING.is_set():
            _leave(stop, 130)
        _finish_without_server(stage, parameters, error)
        return
    except HflowError as error:
        _leave(with_page(error), 1)
    except (KeyboardInterrupt, TerminationSignal):
        _leave(stop, 130)
    if state.is_cancelled():
        _leave(stop, 130)
    if not state.is_completed():
        _leave(str(state.message), 1)


def _finish_without_server(stage: Flow[..., Any], parameters: dict[str, Any], error: HTTPError) -> None:
    """The stage by itself, which takes up what the run has finished: its work must not fail for who watches it."""
    print(f"hflow: the Prefect server was lost ({error}): going on without it", file=sys.stderr, flush=True)
    state = stage.fn(**parameters)
    if isinstance(state, State):
        _leave(str(state.message), 130 if state.is_cancelled() else 1)
    os._exit(0)


def _leave(reason: str, status: int) -> NoReturn:
    if reason:
        print(f"hflow: {reason}", file=sys.stderr, flush=True)
    if status == 1:
        sys.exit(status)
    # Python would wait for threads that are still at work on what is not wanted any more.
    os._exit(status)


def publish_table(key: str, values: dict[str, Any], description: str) -> None:
    """A table artifact of names and values, of the flow run this is called in; without one it is left out."""
    if FlowRunContext.get() is None:
        return
    rows = [{"name": name, "value": _shown(value)} for name, value in values.items()]
    create_table_artifact(rows, key=key, description=description)


def _shown(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
