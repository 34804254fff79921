"""MLflow: a run for each training, its data and model, and a child run for each downstream training."""

import json
import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID, MLFLOW_RUN_NAME

from hflow.files import fingerprint, project_root
from hflow.params import Params
from hflow.progress import say

__all__ = ["TrainingRun", "dvc_hash", "log_scores"]

KEY = "hflow.key"
"""The tag by which a training that was stopped finds its run again: a hash of what it was started with."""

MODEL = "hflow.model"
"""The tag that holds the fingerprint of the model that a run made or scored."""


class TrainingRun:
    """The MLflow run of a training: a logger that `training.train` can be given.

    A store that can't be reached does not stop the training: that is said once, and the curves are in plots/train
    all the same.

    Args:
        params: what the training is started with; all of it is logged.
        data: the prepared datasets by name, each a path that DVC tracks.
    """

    def __init__(self, params: Params, data: Mapping[str, Path]):
        self._lost = False
        self._run_id = ""
        self._client: MlflowClient | None = None
        self._try(lambda: self._start(params, data))

    def metrics(self, values: Mapping[str, float], step: int) -> None:
        now = int(time.time() * 1000)
        batch = [Metric(key, value, now, step) for key, value in values.items()]
        self._try(lambda: self._api.log_batch(self._run_id, metrics=batch))

    def image(self, key: str, path: Path, step: int) -> None:
        from PIL import Image

        def log() -> None:
            with Image.open(path) as image:
                self._api.log_image(self._run_id, image, key=key, step=step)

        self._try(log)

    def finish(self, model: Path, model_fingerprint: str, plots: Path) -> None:
        """Log the model and the pictures, and end the run."""

        def log() -> None:
            self._api.log_artifacts(self._run_id, str(model), "model")
            self._api.log_artifacts(self._run_id, str(plots), "plots")
            self._api.set_tag(self._run_id, MODEL, model_fingerprint)
            self._api.set_terminated(self._run_id)

        self._try(log)

    def fail(self) -> None:
        """End the run as failed; the same training started again goes on in it."""
        self._try(lambda: self._api.set_terminated(self._run_id, "FAILED"))

    @property
    def _api(self) -> MlflowClient:
        assert self._client is not None
        return self._client

    def _start(self, params: Params, data: Mapping[str, Path]) -> None:
        self._client = _client(params)
        experiment = _experiment(self._client, params)
        inputs = {name: dvc_hash(path) for name, path in data.items()}
        key = fingerprint([params.model_dump(mode="json", exclude={"segment", "evaluate", "tracking"}), inputs])
        unfinished = self._client.search_runs(
            [experiment], f"tags.`{KEY}` = '{key}' and attributes.status != 'FINISHED'", max_results=1
        )
        if unfinished:
            self._run_id = unfinished[0].info.run_id
            self._client.update_run(self._run_id, status="RUNNING")
            return
        tags = {KEY: key, MLFLOW_RUN_NAME: "train", "mlflow.source.git.commit": _git_commit()}
        self._run_id = self._client.create_run(experiment, tags=tags).info.run_id
        values = _flat(params.model_dump(mode="json", exclude={"town", "tracking"}))
        self._client.log_batch(self._run_id, params=[Param(name, str(value)) for name, value in values.items()])
        datasets = [
            DatasetInput(
                Dataset(name, digest, "local", json.dumps({"uri": data[name].as_posix()})),
                [InputTag("mlflow.data.context", "training")],
            )
            for name, digest in inputs.items()
        ]
        self._client.log_inputs(self._run_id, datasets=datasets)

    def _try(self, call: Callable[[], Any]) -> None:
        if self._lost:
            return
        try:
            call()
        except Exception as error:  # whatever the store or the network throws, the training goes on
            self._lost = True
            say(f"MLflow can't be reached ({' '.join(str(error).split())[:200]}): training goes on without it")


def log_scores(params: Params, model: Path, scores: Mapping[str, Path], figures: Sequence[Path] = ()) -> None:
    """Log the downstream scores as child runs of the run that made the model, one a training set.

    A child run that says the same already is left alone; a store that can't be reached is said, and nothing more.

    Args:
        model: the folder of the model, whose config.json holds its fingerprint.
        scores: the files metrics/segment/NAME.json, by name.
        figures: files and folders that the run that made the model gets as artifacts, in "evaluate".
    """
    made_as = json.loads((model / "config.json").read_text(encoding="utf-8"))["fingerprint"]
    try:
        client = _client(params)
        experiment = _experiment(client, params)
        parent = _run_that_made(client, experiment, made_as)
        for name, path in scores.items():
            _log_child(client, experiment, parent, name, json.loads(path.read_text(encoding="utf-8")))
        for path in figures:
            log = client.log_artifacts if path.is_dir() else client.log_artifact
            log(parent, str(path), "evaluate")
    except Exception as error:  # as for a training: the scores are in metrics/ all the same
        say(f"MLflow can't be reached ({' '.join(str(error).split())[:200]}): the evaluation is not logged")


def _log_child(client: MlflowClient, experiment: str, parent: str, name: str, said: Mapping[str, Any]) -> None:
    key = fingerprint(said)
    same = f"tags.`{MLFLOW_PARENT_RUN_ID}` = '{parent}' and tags.`{KEY}` = '{key}'"
    if client.search_runs([experiment], same, max_results=1):
        return
    tags = {KEY: key, MLFLOW_PARENT_RUN_ID: parent, MLFLOW_RUN_NAME: f"segment {name}"}
    run_id = client.create_run(experiment, tags=tags).info.run_id
    now = int(time.time() * 1000)
    metrics = [Metric(score, said[score], now, 0) for score in ("mIoU", "pxAcc", "clsAcc")]
    metrics += [Metric(f"IoU/{c}", value, now, 0) for c, value in said["IoU"].items() if value is not None]
    metrics += [Metric("mIoU by seed", seed["mIoU"], now, seed["seed"]) for seed in said["seeds"]]
    protocol = [Param(key, str(value)) for key, value in _flat(said["protocol"]).items()]
    client.log_batch(run_id, metrics=metrics, params=[Param("set", name), *protocol])
    client.set_terminated(run_id)


def _run_that_made(client: MlflowClient, experiment: str, model_fingerprint: str) -> str:
    """The id of the training's run; for a model that DVC restored, of a run that stands for a training elsewhere."""
    found = client.search_runs([experiment], f"tags.`{MODEL}` = '{model_fingerprint}'", max_results=1)
    if found:
        return str(found[0].info.run_id)
    tags = {MODEL: model_fingerprint, MLFLOW_RUN_NAME: "train (restored)"}
    run_id = str(client.create_run(experiment, tags=tags).info.run_id)
    client.set_terminated(run_id)
    return run_id


def dvc_hash(path: Path) -> str:
    """The hash by which DVC knows a stage's input or output, `<md5>.dir` for a folder; "unknown" without one."""
    for lock in (Path("dvc.lock"), Path("data/dvc.lock")):
        if lock.is_file():
            stages = yaml.safe_load(lock.read_text(encoding="utf-8")).get("stages", {})
            for stage in stages.values():
                for entry in (*stage.get("outs", []), *stage.get("deps", [])):
                    if Path(entry["path"]) == path:
                        return str(entry["md5"])
    return "unknown"


def _client(params: Params) -> MlflowClient:
    return MlflowClient(os.environ.get("MLFLOW_TRACKING_URI") or _in_project(params.tracking.uri))


def _in_project(uri: str) -> str:
    """A relative SQLite path belongs to the project, also in the copies of it that experiments run in."""
    prefix = "sqlite:///"
    if uri.startswith(prefix) and not uri.startswith(f"{prefix}/"):
        return f"{prefix}{project_root() / uri.removeprefix(prefix)}"
    return uri


def _experiment(client: MlflowClient, params: Params) -> str:
    name = params.tracking.experiment
    found = client.get_experiment_by_name(name)
    if found:
        return str(found.experiment_id)
    local = not os.environ.get("MLFLOW_TRACKING_URI") and params.tracking.uri.startswith("sqlite:")
    place = (project_root() / "mlartifacts" / name).as_uri() if local else None
    return client.create_experiment(name, artifact_location=place)


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat


def _git_commit() -> str:
    done = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    return done.stdout.strip() or "none"
