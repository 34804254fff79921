"""Models by the names that a user gives them: a folder, or the registry's URI."""

from importlib.util import find_spec
from pathlib import Path

from hflow.foundation.atomic_folders import publish
from hflow.foundation.errors import HflowError
from hflow.foundation.params import Params, TrackingParams
from hflow.pipeline.outputs import work_folder

__all__ = ["fetch_model", "find_model", "is_registered", "pipeline_model"]


def is_registered(model: str) -> bool:
    """Whether a model is named by the registry's URI, not by a path."""
    return model.startswith("models:/")


def find_model(model: str, params: Params | None = None) -> Path:
    """The folder of a model that is named by its path or by models:/NAME@ALIAS or models:/NAME/VERSION.

    Args:
        model: the path or the URI.
        params: where MLflow is, unless MLFLOW_TRACKING_URI says it.

    Raises:
        HflowError: it is a URI, and MLflow is not installed, is away, or knows no such model.
    """
    if not is_registered(model):
        return Path(model)
    if not find_spec("mlflow"):
        raise HflowError(f"{model} needs MLflow, which is not installed here: give the folder of a model")
    from hflow.registry.versions import fetch_model

    return fetch_model(model, params.tracking if params else TrackingParams(), cache=work_folder("models"))


def fetch_model(params: Params) -> str:
    """Lay the registered model that translate.model names where the stages find it: a folder named by the URI itself.

    That is a path that DVC can track, so that translate runs again when another version has become champion.

    Returns:
        The version's number.

    Raises:
        HflowError: translate.model is a path, or the registry does not have it.
    """
    model = params.translate.model
    if not is_registered(model):
        raise HflowError(f"translate.model is {model}, a path: there is nothing to fetch")
    folder = find_model(model, params)
    publish({path.name: path for path in folder.iterdir()}, Path(model))
    return folder.name


def pipeline_model(params: Params) -> Path:
    """The folder of the model that translates in the pipeline; a registered one is fetched where it isn't here yet."""
    folder = Path(params.translate.model)
    if is_registered(params.translate.model) and not folder.is_dir():
        fetch_model(params)
    return folder
