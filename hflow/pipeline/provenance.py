"""When a report is made and from what: version, commit, MLflow's run, DVC's hashes."""

import os
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path

from hflow import __version__
from hflow.foundation.credentials import without_credentials
from hflow.foundation.lineage import dvc_hash, git_commit, uncommitted_changes
from hflow.foundation.params import Params
from hflow.pipeline.outputs import PREPARED, TRANSLATED
from hflow.reports.provenance import Provenance, RunLink

__all__ = ["provenance", "run_link"]


def provenance(params: Params, model: Path) -> Provenance:
    """Of a report on the frames of a model, that is being made.

    Args:
        params: say where the data and MLflow are.
        model: the folder of the model.
    """
    commit = git_commit()
    paths = (params.data.source.root, params.data.target.root, PREPARED, TRANSLATED)
    # A path that is absolute is of this machine alone.
    hashes = {path.name if path.is_absolute() else path.as_posix(): dvc_hash(path) for path in paths}
    return Provenance(
        made=datetime.now(UTC),
        version=__version__,
        commit=None if commit == "none" else commit,
        changed=uncommitted_changes(),
        run=run_link(params, model),
        data={path: digest for path, digest in hashes.items() if digest != "unknown"},
    )


def run_link(params: Params, model: Path) -> RunLink | None:
    """The run of the training that made a model; None where MLflow is not there or knows no such run."""
    if not find_spec("mlflow"):
        return None
    from hflow.registry.client import tracking_uri
    from hflow.registry.run_link import find_run_page

    found = find_run_page(params.tracking, model)
    if not found:
        return None
    served = tracking_uri(params.tracking).startswith("http")
    store = without_credentials(os.environ.get("MLFLOW_TRACKING_URI") or params.tracking.uri)
    return RunLink(*found, None if served else f"mlflow ui --backend-store-uri {store}")
