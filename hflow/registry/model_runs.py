"""The MLflow run that made a model, found by the model's fingerprint."""

from mlflow import MlflowClient
from mlflow.utils.mlflow_tags import MLFLOW_RUN_NAME, MLFLOW_RUN_NOTE

__all__ = ["MODEL", "find_run", "run_that_made"]

MODEL = "hflow.model"
"""The tag that holds the fingerprint of the model that a run made or scored."""


def find_run(client: MlflowClient, experiment: str, model_fingerprint: str) -> str | None:
    """The id of the run that made a model; None where the experiment has no such run."""
    found = client.search_runs([experiment], f"tags.`{MODEL}` = '{model_fingerprint}'", max_results=1)
    return str(found[0].info.run_id) if found else None


def run_that_made(client: MlflowClient, experiment: str, model_fingerprint: str) -> str:
    """The id of the training's run; for a model that DVC restored, of a run that stands for a training elsewhere."""
    found = find_run(client, experiment, model_fingerprint)
    if found:
        return found
    tags = {
        MODEL: model_fingerprint,
        MLFLOW_RUN_NAME: f"train (restored), {model_fingerprint[:7]}",
        MLFLOW_RUN_NOTE: "Stands for a training whose run is not in this store.",
    }
    run_id = str(client.create_run(experiment, tags=tags).info.run_id)
    client.set_terminated(run_id)
    return run_id
