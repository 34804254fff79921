"""What MLflow is told of trainings and scores: entries of the offline queue become runs, metrics and artifacts."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param
from mlflow.exceptions import MlflowException
from mlflow.utils.mlflow_tags import (
    MLFLOW_GIT_COMMIT,
    MLFLOW_PARENT_RUN_ID,
    MLFLOW_RUN_NAME,
    MLFLOW_RUN_NOTE,
    MLFLOW_SOURCE_NAME,
    MLFLOW_SOURCE_TYPE,
)
from PIL import Image

from hflow.datasets.images import opened
from hflow.foundation.contact_sheet import first_row
from hflow.foundation.credentials import without_credentials
from hflow.foundation.errors import HflowError
from hflow.foundation.hashes import fingerprint, sha256_file
from hflow.foundation.params import TrackingParams
from hflow.model.store import training_fingerprint
from hflow.registry.client import connect, experiment_id
from hflow.registry.model_runs import MODEL, run_that_made
from hflow.registry.names import legal_names
from hflow.registry.offline_queue import Entry, RefusedError
from hflow.registry.run_description import PICTURE_HEIGHT, RunDescription
from hflow.registry.run_link import linked_picture
from hflow.registry.runs_view import DATA, versions_of_data

__all__ = ["MAIN", "RunWriter", "flat_values"]

KEY = "hflow.key"
"""The tag by which a training that was stopped finds its run again: a hash of what it was started with."""

MAIN = {
    "mIoU/translated": "mIoU",
    "gain": "gain",
    "ssim": "SSIM",
    "consistency": "consistency",
    "FCN_score": "FCN score",
}
"""The figures of metrics/summary.json that tell trainings apart, and what MLflow shows them as."""

BEFORE_AFTER = "before-after.png"

SHOWN = "shown.png"
"""The artifact that a run's description shows."""

REFUSALS = ("INVALID_PARAMETER_VALUE", "BAD_REQUEST", "RESOURCE_DOES_NOT_EXIST", "NOT_FOUND", "RESOURCE_ALREADY_EXISTS")
"""MLflow's codes for what it will not take at another time either. Being turned away is none: that can be mended."""

TOO_LARGE = 413
"""The HTTP status by which servers and proxies refuse a file for its size."""


class RunWriter:
    """Tells MLflow the entries of one queue. It connects with the first of them."""

    def __init__(self, params: TrackingParams):
        self._params = params
        self._run_id = ""

    def __call__(self, entry: Entry) -> None:
        client = connect(self._params)
        try:
            tell: Callable[[MlflowClient, Entry], None] = getattr(self, f"_{entry['what']}")
            tell(client, entry)
        except Exception as error:
            if _is_refusal(error):
                raise RefusedError(without_credentials(" ".join(str(error).split())[:200])) from error
            raise

    def _start(self, client: MlflowClient, entry: Entry) -> None:
        experiment, key = experiment_id(client, self._params), entry["key"]
        unfinished = client.search_runs(
            [experiment], f"tags.`{KEY}` = '{key}' and attributes.status != 'FINISHED'", max_results=1
        )
        if unfinished:
            self._run_id = unfinished[0].info.run_id
            client.update_run(self._run_id, status="RUNNING")
            return
        tags = {
            KEY: key,
            MLFLOW_RUN_NAME: entry["name"],
            MLFLOW_RUN_NOTE: entry["about"],
            MLFLOW_SOURCE_NAME: "hflow train",
            MLFLOW_SOURCE_TYPE: "LOCAL",
            MLFLOW_GIT_COMMIT: entry["commit"],
            DATA: versions_of_data((name, digest) for name, digest, _ in entry["datasets"]),
        }
        self._run_id = client.create_run(experiment, start_time=entry["time"], tags=tags).info.run_id
        client.log_batch(
            self._run_id,
            params=[Param(name, without_credentials(str(value))) for name, value in entry["params"].items()],
        )
        datasets = [
            DatasetInput(
                Dataset(name, digest, "local", json.dumps({"uri": uri})), [InputTag("mlflow.data.context", "training")]
            )
            for name, digest, uri in entry["datasets"]
        ]
        client.log_inputs(self._run_id, datasets=datasets)

    def _metrics(self, client: MlflowClient, entry: Entry) -> None:
        batch = [Metric(key, value, entry["time"], entry["step"]) for key, value in entry["values"].items()]
        client.log_batch(self._run_id, metrics=batch)

    def _image(self, client: MlflowClient, entry: Entry) -> None:
        # A later step, or another training, may have written over a picture that waited.
        if not Path(entry["path"]).is_file():
            return
        place = f"images/{entry['key']}-step-{entry['step']:06d}.png"
        # Not by key and step: such an image lies on MLflow's pages under a caption of all parameters.
        with opened(Path(entry["path"])) as image:
            client.log_image(self._run_id, image, place)
            _show(client, self._run_id, image, place, f"step {entry['step']}")

    def _finish(self, client: MlflowClient, entry: Entry) -> None:
        model = Path(entry["model"])
        if _made_as(model) == entry["fingerprint"]:
            client.log_artifacts(self._run_id, str(model), "model")
            client.log_artifacts(self._run_id, entry["plots"], "plots")
        client.set_tag(self._run_id, MODEL, entry["fingerprint"])
        client.set_terminated(self._run_id, end_time=entry["time"])

    def _fail(self, client: MlflowClient, entry: Entry) -> None:
        client.set_terminated(self._run_id, "FAILED", end_time=entry["time"])

    def _stop(self, client: MlflowClient, entry: Entry) -> None:
        client.set_terminated(self._run_id, "KILLED", end_time=entry["time"])

    def _scores(self, client: MlflowClient, entry: Entry) -> None:
        experiment = experiment_id(client, self._params)
        parent = run_that_made(client, experiment, entry["model"])
        for name, said in entry["scores"].items():
            _log_child(client, experiment, parent, name, said, entry["time"])
        known = {shown: entry["figures"][name] for name, shown in MAIN.items() if name in entry["figures"]}
        client.log_batch(parent, metrics=[Metric(name, value, entry["time"], 0) for name, value in known.items()])
        _describe(client, parent, figures=", ".join(f"{name} {value:.4f}" for name, value in known.items()))

    def _files(self, client: MlflowClient, entry: Entry) -> None:
        paths = [Path(path) for path in entry["paths"]]
        if not paths[0].is_file() or sha256_file(paths[0]) != entry["sha256"]:
            return
        run = run_that_made(client, experiment_id(client, self._params), entry["model"])
        for path in paths:
            log = client.log_artifacts if path.is_dir() else client.log_artifact
            log(run, str(path), "evaluate")
        for path in paths:
            if (path / BEFORE_AFTER).is_file():
                with opened(path / BEFORE_AFTER) as image:
                    _show(client, run, image, f"evaluate/{BEFORE_AFTER}", "")


def _show(client: MlflowClient, run: str, sheet: Image.Image, artifact: str, caption: str) -> None:
    """Show the first row of a contact sheet in a run's description; a click opens the whole, an artifact of the run."""
    client.log_image(run, first_row(sheet, PICTURE_HEIGHT), SHOWN)
    _describe(client, run, picture=linked_picture(run, SHOWN, opens=artifact), caption=caption)


def _describe(client: MlflowClient, run: str, **parts: str) -> None:
    """Renew parts of a run's description."""
    said = RunDescription.read(client.get_run(run).data.tags.get(MLFLOW_RUN_NOTE, ""))
    client.set_tag(run, MLFLOW_RUN_NOTE, replace(said, **parts).text())


def _log_child(
    client: MlflowClient, experiment: str, parent: str, name: str, said: Mapping[str, Any], now: int
) -> None:
    key = fingerprint(said)
    same = f"tags.`{MLFLOW_PARENT_RUN_ID}` = '{parent}' and tags.`{KEY}` = '{key}' and attributes.status = 'FINISHED'"
    if client.search_runs([experiment], same, max_results=1):
        return
    tags = {
        KEY: key,
        MLFLOW_PARENT_RUN_ID: parent,
        MLFLOW_RUN_NAME: f"segment {name}",
        MLFLOW_SOURCE_NAME: "hflow segment",
        MLFLOW_SOURCE_TYPE: "LOCAL",
    }
    run_id = client.create_run(experiment, start_time=now, tags=tags).info.run_id
    metrics = [Metric(score, said[score], now, 0) for score in ("mIoU", "pxAcc", "clsAcc")]
    names = legal_names(f"IoU/{c}" for c in said["IoU"])
    metrics += [Metric(names[f"IoU/{c}"], value, now, 0) for c, value in said["IoU"].items() if value is not None]
    metrics += [Metric("mIoU by seed", seed["mIoU"], now, seed["seed"]) for seed in said["seeds"]]
    after = said.get("self_training")
    if after:
        metrics += [Metric("mIoU self-trained", after["mIoU"], now, 0)]
        metrics += [Metric("mIoU self-trained by seed", run["mIoU"], now, run["seed"]) for run in after["seeds"]]
    settings = flat_values({**said["protocol"], "made_from": said["made_from"]})
    if after:
        settings |= flat_values({"self_training": {**after["protocol"], "photographs": after["photographs_sha256"]}})
    params = [Param("set", name), *(Param(key, str(value)) for key, value in settings.items())]
    try:
        client.log_batch(run_id, metrics=metrics, params=params)
    except MlflowException:
        client.set_terminated(run_id, "FAILED", end_time=now)
        raise
    client.set_terminated(run_id, end_time=now)


def _is_refusal(error: Exception) -> bool:
    """Whether it is the entry that is at fault, and not the way to the server."""
    if isinstance(error, MlflowException):
        return error.error_code in REFUSALS
    if isinstance(error, OSError):
        status = getattr(getattr(error, "response", None), "status_code", None)
        return isinstance(error, FileNotFoundError) or status == TOO_LARGE
    # An entry of another version, or a picture that can't be read.
    return isinstance(error, HflowError | KeyError | TypeError | ValueError | AttributeError)


def _made_as(model: Path) -> str | None:
    """The fingerprint of the model that is in a folder now."""
    try:
        return training_fingerprint(model)
    except HflowError:
        return None


def flat_values(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Values of nested mappings by their keys, joined with dots."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= flat_values(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat
