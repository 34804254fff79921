"""Models by the names that a user gives them: a folder, or the registry's URI."""

import json
from importlib.util import find_spec
from pathlib import Path

from hflow.foundation.atomic_files import write_text
from hflow.foundation.atomic_folders import publish
from hflow.foundation.errors import AwayError, HflowError
from hflow.foundation.json_files import read_json
from hflow.foundation.params import Params, TrackingParams
from hflow.foundation.progress import say
from hflow.pipeline.outputs import work_folder
from hflow.registry.names import REGISTERED

__all__ = [
    "FETCH_STAGE",
    "exact_name",
    "fetch_model",
    "find_model",
    "is_registered",
    "pipeline_model",
    "translating_model",
]

FETCH_STAGE = Path("models/dvc.yaml")
"""Where a project has the DVC stage that fetches the registered model: in none that names no such model."""

FETCH = """\
# The registered model that translate.model names, fetched by `hflow fetch` into a folder of that very name, so that
# translate runs again when another version has become champion. Without such a model this file is of no use.
stages:
  fetch:
    desc: Fetch the registered model that translates
    wdir: ..
    cmd: python -m hflow fetch
    params:
      - translate.model
    outs:
      - "models:":
          cache: false          # the registry keeps it
"""


def is_registered(model: str) -> bool:
    """Whether a model is named by the registry's URI, not by a path."""
    return model.startswith("models:/")


def exact_name(model: str, folder: Path) -> str:
    """A model's name with its version in place of an alias, which moves on; a path as it is.

    Args:
        model: the path or the URI.
        folder: where the model was found or fetched to.
    """
    if not is_registered(model) or "@" not in model:
        return model
    noted = folder / REGISTERED
    version = read_json(noted).get("version") if noted.is_file() else folder.name
    return f"{model.partition('@')[0]}/{version}"


def find_model(model: str, params: Params | None = None) -> Path:
    """The folder of a model that is named by its path or by models:/NAME@ALIAS or models:/NAME/VERSION.

    Args:
        model: the path or the URI.
        params: where MLflow is, unless MLFLOW_TRACKING_URI says it.

    Raises:
        AwayError: it is a URI, and MLflow is not installed or can't be reached.
        HflowError: MLflow knows no such model.
    """
    if not is_registered(model):
        return Path(model)
    if not find_spec("mlflow"):
        raise AwayError(f"{model} needs MLflow, which is not installed here: give the folder of a model")
    from hflow.registry.versions import fetch_model

    return fetch_model(model, params.tracking if params else TrackingParams(), cache=work_folder("models"))


def fetch_model(params: Params) -> str:
    """Lay the registered model that translate.model names where the stages find it: a folder named by the URI itself.

    That is a path that DVC can track, so that translate runs again when another version has become champion. A DVC
    project that has no stage for it yet gets one.

    Returns:
        The version's number.

    Raises:
        HflowError: translate.model is a path, or the registry does not have it.
    """
    model = params.translate.model
    if not is_registered(model):
        raise HflowError(f"translate.model is {model}, a path: there is nothing to fetch")
    folder = find_model(model, params)
    said = json.dumps({"version": folder.name}) + "\n"
    publish({path.name: path for path in folder.iterdir()} | {REGISTERED: said.encode()}, Path(model))
    if Path(".dvc").is_dir() and not FETCH_STAGE.exists():
        FETCH_STAGE.parent.mkdir(exist_ok=True)
        write_text(FETCH_STAGE, FETCH)
        say(f"{FETCH_STAGE} is written, the DVC stage that fetches {model}: commit it")
    return folder.name


def translating_model(params: Params) -> Path:
    """The folder of the model that is to translate in the pipeline; of a registered one the version that it is now.

    Where the registry can't be asked, the version that is here is taken, and said.

    Raises:
        HflowError: the registry has no such model, or can't be asked and there is none here.
    """
    folder = Path(params.translate.model)
    if is_registered(params.translate.model):
        try:
            fetch_model(params)
        except AwayError as error:
            if not folder.is_dir():
                raise
            version = read_json(folder / REGISTERED, made_by="run `hflow fetch`").get("version")
            say(f"{error}; {params.translate.model} is version {version} here, fetched before: it translates")
    return folder


def pipeline_model(params: Params) -> Path:
    """The folder of the model that has translated in the pipeline; a registered one is fetched where it isn't here."""
    folder = Path(params.translate.model)
    if is_registered(params.translate.model) and not folder.is_dir():
        fetch_model(params)
    return folder
