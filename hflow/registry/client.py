"""Reaching MLflow: the store that is meant, whether it answers, and the experiment in it."""

import os

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.utils.credentials import get_default_host_creds
from mlflow.utils.rest_utils import http_request

from hflow.foundation.params import TrackingParams
from hflow.foundation.work_folder import project_root

__all__ = ["connect", "experiment_id", "tracking_uri"]

SECONDS_TO_ANSWER = 5


def tracking_uri(params: TrackingParams) -> str:
    """The store that MLFLOW_TRACKING_URI names, else that of the parameters.

    A relative SQLite path belongs to the project, also in the copies of it that experiments run in.
    """
    uri = os.environ.get("MLFLOW_TRACKING_URI") or params.uri
    prefix = "sqlite:///"
    if uri.startswith(prefix) and not uri.startswith(f"{prefix}/"):
        return f"{prefix}{project_root() / uri.removeprefix(prefix)}"
    return uri


def connect(params: TrackingParams) -> MlflowClient:
    """A client of the store.

    Raises:
        OSError: it is a server, and it doesn't answer, or turns away whoever asks. MLflow itself would try again for
            minutes.
    """
    uri = tracking_uri(params)
    if uri.startswith("http"):
        _ask(uri)
    return MlflowClient(uri, uri)


def _ask(uri: str) -> None:
    # Not /health, which also answers those whom MLflow turns away: for their Host header, or without credentials.
    try:
        answer = http_request(
            get_default_host_creds(uri),
            "/api/2.0/mlflow/experiments/get",
            "GET",
            max_retries=0,
            timeout=SECONDS_TO_ANSWER,
            raise_on_status=False,
            params={"experiment_id": "0"},
        )
    except MlflowException as error:
        raise ConnectionError(error.message) from None
    # 404 is an answer too: the experiment 0 may have been deleted.
    if not answer.ok and answer.status_code != 404:
        raise ConnectionError(f"{answer.status_code}: {answer.text}")


def experiment_id(client: MlflowClient, params: TrackingParams) -> str:
    """The id of the experiment of this name, which is made where there is none."""
    found = client.get_experiment_by_name(params.experiment)
    if found:
        return str(found.experiment_id)
    local = tracking_uri(params).startswith("sqlite:")
    place = (project_root() / "mlartifacts" / params.experiment).as_uri() if local else None
    return str(client.create_experiment(params.experiment, artifact_location=place))
