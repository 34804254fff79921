"""What Prefect records of a run and of a deployment has no credentials."""

import pytest
from prefect import Flow
from prefect.states import State

from flows.deploy import recorded
from flows.stage import stage_flow
from hflow.foundation.errors import HflowError

URL = "https://somebody:sEcret99@host/x"


def _flow(error: Exception) -> Flow[[], object]:
    def fails() -> None:
        raise error

    return stage_flow(fails)


def test_a_fault_and_a_defect_are_recorded_without_credentials() -> None:
    state = _flow(HflowError(f"no answer from {URL}")).fn()
    assert isinstance(state, State)
    assert state.message == "no answer from https://host/x"
    with pytest.raises(RuntimeError, match=r"^ConnectionError: no answer from https://host/x$") as raised:
        _flow(ConnectionError(f"no answer from {URL}")).fn()
    assert raised.value.__suppress_context__


def test_a_defect_without_credentials_stays_as_it_is() -> None:
    with pytest.raises(ZeroDivisionError):
        _flow(ZeroDivisionError("by zero")).fn()


def test_a_deployment_is_recorded_without_credentials(capsys: pytest.CaptureFixture[str]) -> None:
    environment = {"HFLOW_REPOSITORY": "https://token99@host/hflow.git", "MLFLOW_TRACKING_URI": "http://host:5000"}
    assert recorded(environment) == {**environment, "HFLOW_REPOSITORY": "https://host/hflow.git"}
    said = capsys.readouterr().err
    assert said.startswith("HFLOW_REPOSITORY is recorded without its credentials, https://host/hflow.git: ")
    assert "token99" not in said
