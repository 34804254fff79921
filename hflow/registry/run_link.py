"""Links into MLflow's pages: to the list of trainings, the run that made a model, a picture of a run."""

from html import escape
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

from hflow.foundation.params import TrackingParams
from hflow.model.store import training_fingerprint
from hflow.registry.client import connect, experiment_id, tracking_uri
from hflow.registry.model_runs import find_run
from hflow.registry.runs_view import TRAININGS

__all__ = ["find_run_page", "linked_picture", "picture_link", "trainings_page"]

LOCAL_PAGES = "http://127.0.0.1:5000"
"""Where `mlflow ui` serves a store that is a file, unless told otherwise."""

OF_TRAININGS = "workflowType=machine_learning"
"""The query by which MLflow shows its pages of trainings: without it those of generative AI, until someone chooses
"Model training" in the browser."""


def trainings_page(params: TrackingParams) -> str:
    """The address of the list of trainings, without credentials; the experiment is made where there is none.

    Raises:
        OSError: the store can't be reached.
    """
    experiment = experiment_id(connect(params), params)
    place = f"{_pages(tracking_uri(params))}/#/experiments/{experiment}/runs"
    return f"{place}?viewStateShareKey={TRAININGS}&{OF_TRAININGS}"


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
        run = find_run(client, experiment.experiment_id, training_fingerprint(model)) if experiment else None
    except Exception:  # whatever the store or the network throws, there is a report without a link
        return None
    if experiment is None or run is None:
        return None
    return run, f"{_pages(tracking_uri(params))}/#/experiments/{experiment.experiment_id}/runs/{run}?{OF_TRAININGS}"


def _pages(uri: str) -> str:
    if not uri.startswith("http"):
        return LOCAL_PAGES
    parts = urlsplit(uri)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path.rstrip("/"), "", ""))


def picture_link(run: str, artifact: str, title: str) -> str:
    """Markdown that shows a run's picture in a description on MLflow's pages."""
    return f"![{title}]({_place(run, artifact)})"


def linked_picture(run: str, artifact: str, *, opens: str) -> str:
    """HTML that does so, and opens another of its artifacts where it is clicked."""
    return f'<a href="{escape(_place(run, opens))}"><img src="{escape(_place(run, artifact))}"></a>'


def _place(run: str, artifact: str) -> str:
    return f"get-artifact?path={quote(artifact, safe='')}&run_uuid={run}"
