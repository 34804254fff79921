"""Reaching MLflow: the store that is meant, whether it answers, and the experiment in it."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.utils.mlflow_tags import MLFLOW_EXPERIMENT_PRIMARY_METRIC_NAME

from hflow.foundation.loopback import ask_loopback_directly
from hflow.foundation.params import TrackingParams
from hflow.foundation.project_root import project_root
from hflow.registry.moved_project import ARTIFACTS, follow_project
from hflow.registry.runs_view import VIEW_TAG, view

__all__ = ["connect", "experiment_id", "tracking_uri"]

LOCAL = "sqlite:///"
SECONDS_TO_ANSWER = 5

SHOWN = {
    "mlflow.experimentKind": "custom_model_development",
    MLFLOW_EXPERIMENT_PRIMARY_METRIC_NAME: "mIoU",
    VIEW_TAG: view(),
}
"""Tags by which MLflow shows trainings and their scores: without the first, versions before 3.17 take an experiment for
one of generative AI. What MLflow has inferred itself ends in "_inferred"."""


def tracking_uri(params: TrackingParams) -> str:
    """The store that MLFLOW_TRACKING_URI names, else that of the parameters.

    A relative SQLite path belongs to the project, also in the copies of it that experiments run in.
    """
    uri = os.environ.get("MLFLOW_TRACKING_URI") or params.uri
    if uri.startswith(LOCAL) and not uri.startswith(f"{LOCAL}/"):
        return f"{LOCAL}{project_root() / uri.removeprefix(LOCAL)}"
    return uri


def connect(params: TrackingParams) -> MlflowClient:
    """A client of the store.

    Raises:
        OSError: it is a server, and it doesn't answer, or turns away whoever asks. MLflow itself would try again for
            minutes.
    """
    uri = tracking_uri(params)
    # Its bars, several for each artifact, would fill a log.
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    if uri.startswith(LOCAL):
        follow_project(Path(uri.removeprefix(LOCAL)))
    client = MlflowClient(uri, uri)
    if uri.startswith("http"):
        ask_loopback_directly()
        _ask(client)
    return client


def _ask(client: MlflowClient) -> None:
    # Not /health, which also answers those whom MLflow turns away: for their Host header, or without credentials.
    try:
        with _environment(MLFLOW_HTTP_REQUEST_MAX_RETRIES="0", MLFLOW_HTTP_REQUEST_TIMEOUT=str(SECONDS_TO_ANSWER)):
            client.get_experiment("0")
    except MlflowException as error:
        # An answer too: the experiment 0 may have been deleted.
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise ConnectionError(error.message) from None


@contextlib.contextmanager
def _environment(**values: str) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


def experiment_id(client: MlflowClient, params: TrackingParams) -> str:
    """The id of the experiment of this name, which is made where there is none, and tagged so that MLflow shows it."""
    found = client.get_experiment_by_name(params.experiment)
    if found is None:
        place = (project_root() / ARTIFACTS / params.experiment).as_uri()
        local = tracking_uri(params).startswith("sqlite:")
        made = client.create_experiment(params.experiment, artifact_location=place if local else None, tags=SHOWN)
        return str(made)
    for tag, value in SHOWN.items():
        if found.tags.get(tag, "_inferred").endswith("_inferred"):
            client.set_experiment_tag(found.experiment_id, tag, value)
    return str(found.experiment_id)
