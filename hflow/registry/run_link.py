"""Where MLflow shows the run that made a model."""

from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from hflow.foundation.params import TrackingParams
from hflow.model.store import training_fingerprint
from hflow.registry.client import connect, tracking_uri
from hflow.registry.runs import MODEL

__all__ = ["find_run_page"]

LOCAL_PAGES = "http://127.0.0.1:5000"
"""Where `mlflow ui` serves a store that is a file, unless told otherwise."""


def find_run_page(params: TrackingParams, model: Path) -> tuple[str, str] | None:
    """The id of the run that made a model, and the address of its page, without credentials.

    Args:
        model: the folder of the model, whose config.json holds its fingerprint.

    Returns:
        None where the store can't be reached or has no such run.
    """
    try:
        client = connect(params)
        experiment = client.get_experiment_by_name(params.experiment)
        found = experiment and client.search_runs(
            [experiment.experiment_id], f"tags.`{MODEL}` = '{training_fingerprint(model)}'", max_results=1
        )
    except Exception:  # whatever the store or the network throws, there is a report without a link
        return None
    if not found:
        return None
    run = str(found[0].info.run_id)
    return run, f"{_pages(tracking_uri(params))}/#/experiments/{found[0].info.experiment_id}/runs/{run}"


def _pages(uri: str) -> str:
    if not uri.startswith("http"):
        return LOCAL_PAGES
    parts = urlsplit(uri)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path.rstrip("/"), "", ""))
