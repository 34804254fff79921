"""Reaching MLflow: the store that is meant, whether it answers, and the experiment in it."""

import os

import requests
from mlflow import MlflowClient

from hflow.files import project_root
from hflow.params import TrackingParams

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
        OSError: it is a server, and it doesn't answer. MLflow itself would try again for minutes.
    """
    uri = tracking_uri(params)
    if uri.startswith("http"):
        requests.get(f"{uri.rstrip('/')}/health", timeout=SECONDS_TO_ANSWER).raise_for_status()
    return MlflowClient(uri, uri)


def experiment_id(client: MlflowClient, params: TrackingParams) -> str:
    """The id of the experiment of this name, which is made where there is none."""
    found = client.get_experiment_by_name(params.experiment)
    if found:
        return str(found.experiment_id)
    local = tracking_uri(params).startswith("sqlite:")
    place = (project_root() / "mlartifacts" / params.experiment).as_uri() if local else None
    return str(client.create_experiment(params.experiment, artifact_location=place))
