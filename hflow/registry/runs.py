"""MLflow: a run for each training, its data and model, and a child run for each downstream training.

A store that can't be reached stops nothing: what it would be told waits in .hflow/tracking and is handed in by the
first run that reaches it again.
"""

import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

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

from hflow.datasets.images import opened
from hflow.foundation.credentials import without_credentials
from hflow.foundation.errors import HflowError
from hflow.foundation.hashes import fingerprint, sha256_file
from hflow.foundation.json_files import read_json
from hflow.foundation.lineage import dvc_hash, git_commit
from hflow.foundation.params import Params, TrackingParams
from hflow.foundation.progress import say
from hflow.foundation.project_root import project_root
from hflow.model.store import training_fingerprint
from hflow.registry.client import connect, experiment_id
from hflow.registry.names import legal_names
from hflow.registry.offline_queue import Entry, OfflineQueue, RefusedError, abandoned_queues

__all__ = ["MODEL", "TrainingRun", "find_run", "hand_in", "log_scores", "picture_link", "run_that_made"]

KEY = "hflow.key"
"""The tag by which a training that was stopped finds its run again: a hash of what it was started with."""

MODEL = "hflow.model"
"""The tag that holds the fingerprint of the model that a run made or scored."""

MAIN = {
    "mIoU/translated": "mIoU",
    "gain": "gain",
    "ssim": "SSIM",
    "consistency": "consistency",
    "FCN_score": "FCN score",
}
"""The figures of metrics/summary.json that tell trainings apart, and what MLflow shows them as."""

BEFORE_AFTER = "before-after.png"

SECONDS_BETWEEN_TRIES = 20.0

REFUSALS = ("INVALID_PARAMETER_VALUE", "BAD_REQUEST", "RESOURCE_DOES_NOT_EXIST", "NOT_FOUND", "RESOURCE_ALREADY_EXISTS")
"""MLflow's codes for what it will not take at another time either. Being turned away is none: that can be mended."""

TOO_LARGE = 413
"""The HTTP status by which servers and proxies refuse a file for its size."""


class TrainingRun:
    """The MLflow run of a training: a logger that `training.train` can be given.

    Args:
        params: what the training is started with; all of it is logged.
        data: the prepared datasets by name, each a path that DVC tracks.
    """

    def __init__(self, params: Params, data: Mapping[str, Path]):
        hand_in(params.tracking)
        inputs = {name: dvc_hash(path) for name, path in data.items()}
        key = fingerprint(
            [params.model_dump(mode="json", exclude={"segment", "evaluate", "tracking", "release"}), inputs]
        )
        self._queue = OfflineQueue(_queues() / f"{key}.jsonl", _Teller(params.tracking))
        self._next_try = 0.0
        self._told = True
        self._tell(
            "start",
            key=key,
            name=_run_name(params, key),
            about=_about(params),
            commit=git_commit(),
            params=_flat(params.model_dump(mode="json", exclude={"town", "tracking"})),
            datasets=[[name, digest, data[name].as_posix()] for name, digest in inputs.items()],
        )

    def metrics(self, values: Mapping[str, float], step: int) -> None:
        self._tell("metrics", values=dict(values), step=step)

    def image(self, key: str, path: Path, step: int) -> None:
        self._tell("image", key=key, path=str(path.resolve()), step=step)

    def finish(self, model: Path, model_fingerprint: str, plots: Path) -> None:
        """Log the model and the pictures, and end the run."""
        self._end("finish", model=str(model.resolve()), fingerprint=model_fingerprint, plots=str(plots.resolve()))

    def fail(self) -> None:
        """End the run as failed; the same training started again goes on in it."""
        self._end("fail")

    def _end(self, what: str, **values: Any) -> None:
        self._next_try = 0.0
        self._tell(what, **values)
        self._queue.close()

    def _tell(self, what: str, **values: Any) -> None:
        self._queue.add({"what": what, "time": int(time.time() * 1000), **values})
        if time.monotonic() < self._next_try:
            return
        try:
            told = self._queue.deliver()
        except Exception as error:  # whatever the store or the network throws, the training goes on
            self._next_try = time.monotonic() + SECONDS_BETWEEN_TRIES
            if self._told:
                say(f"{_away(error)}: training goes on, and what it logs waits in {self._queue.path}")
            self._told = False
            return
        if not self._told:
            say(f"MLflow is back: {told} entries were handed in")
        self._told = True


def log_scores(
    params: Params,
    model: Path,
    scores: Mapping[str, Path],
    *,
    figures: Mapping[str, float] | None = None,
    files: Sequence[Path] = (),
) -> None:
    """Log the downstream scores as child runs of the run that made the model, one a training set.

    A child run that says the same already is left alone.

    Args:
        model: the folder of the model, whose config.json holds its fingerprint.
        scores: the files metrics/segment/NAME.json, by name.
        figures: of metrics/summary.json; the main ones become metrics of the run that made the model.
        files: files and folders that this run gets as artifacts, in "evaluate"; the first is a file, and where it has
            changed before MLflow could be told, they are another run's and left out.
    """
    hand_in(params.tracking)
    made_as = training_fingerprint(model)
    said = {name: read_json(path) for name, path in scores.items()}
    queue = OfflineQueue(_queues() / f"scores-{fingerprint([made_as, said])}.jsonl", _Teller(params.tracking))
    now = int(time.time() * 1000)
    queue.add({"what": "scores", "time": now, "model": made_as, "scores": said, "figures": dict(figures or {})})
    if files:
        paths = [str(path) for path in files]
        queue.add({"what": "files", "model": made_as, "paths": paths, "sha256": sha256_file(files[0])})
    try:
        queue.deliver()
    except Exception as error:  # as for a training: the scores are in metrics/ all the same
        say(f"{_away(error)}: the scores wait in {queue.path}")
    queue.close()


def hand_in(params: TrackingParams) -> int:
    """Tell MLflow what earlier runs could not; gives how many entries that were."""
    handed = 0
    for path in abandoned_queues(_queues()):
        queue = OfflineQueue(path, _Teller(params))
        try:
            told = queue.deliver()
            handed += told
            say(f"handed in to MLflow: {told} entries that waited in {path}")
        except Exception as error:  # it waits on; the run that has found it has work of its own
            say(f"{_away(error)}: what earlier runs logged waits on in {path}")
            return handed
        finally:
            queue.close()
    return handed


class _Teller:
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
        if Path(entry["path"]).is_file():
            with opened(Path(entry["path"])) as image:
                client.log_image(self._run_id, image, f"images/{entry['key']}-step-{entry['step']:06d}.png")

    def _finish(self, client: MlflowClient, entry: Entry) -> None:
        model = Path(entry["model"])
        if _made_as(model) == entry["fingerprint"]:
            client.log_artifacts(self._run_id, str(model), "model")
            client.log_artifacts(self._run_id, entry["plots"], "plots")
        client.set_tag(self._run_id, MODEL, entry["fingerprint"])
        client.set_terminated(self._run_id, end_time=entry["time"])

    def _fail(self, client: MlflowClient, entry: Entry) -> None:
        client.set_terminated(self._run_id, "FAILED", end_time=entry["time"])

    def _scores(self, client: MlflowClient, entry: Entry) -> None:
        experiment = experiment_id(client, self._params)
        parent = run_that_made(client, experiment, entry["model"])
        for name, said in entry["scores"].items():
            _log_child(client, experiment, parent, name, said, entry["time"])
        known = {shown: entry["figures"][name] for name, shown in MAIN.items() if name in entry["figures"]}
        client.log_batch(parent, metrics=[Metric(name, value, entry["time"], 0) for name, value in known.items()])
        about = client.get_run(parent).data.tags.get(MLFLOW_RUN_NOTE, "").partition("\n\n")[0]
        said = ", ".join(f"{name} {value:.4f}" for name, value in known.items())
        client.set_tag(parent, MLFLOW_RUN_NOTE, f"{about}\n\n{said}".strip())

    def _files(self, client: MlflowClient, entry: Entry) -> None:
        paths = [Path(path) for path in entry["paths"]]
        if not paths[0].is_file() or sha256_file(paths[0]) != entry["sha256"]:
            return
        run = run_that_made(client, experiment_id(client, self._params), entry["model"])
        for path in paths:
            log = client.log_artifacts if path.is_dir() else client.log_artifact
            log(run, str(path), "evaluate")
        about = client.get_run(run).data.tags.get(MLFLOW_RUN_NOTE, "")
        picture = picture_link(run, f"evaluate/{BEFORE_AFTER}", "Frames before and after")
        if any((path / BEFORE_AFTER).is_file() for path in paths) and picture not in about:
            client.set_tag(run, MLFLOW_RUN_NOTE, f"{about}\n\n{picture}".strip())


def _log_child(
    client: MlflowClient, experiment: str, parent: str, name: str, said: Mapping[str, Any], now: int
) -> None:
    key = fingerprint(said)
    same = f"tags.`{MLFLOW_PARENT_RUN_ID}` = '{parent}' and tags.`{KEY}` = '{key}' and attributes.status = 'FINISHED'"
    if client.search_runs([experiment], same, max_results=1):
        return
    tags = {KEY: key, MLFLOW_PARENT_RUN_ID: parent, MLFLOW_RUN_NAME: f"segment {name}"}
    run_id = client.create_run(experiment, start_time=now, tags=tags).info.run_id
    metrics = [Metric(score, said[score], now, 0) for score in ("mIoU", "pxAcc", "clsAcc")]
    names = legal_names(f"IoU/{c}" for c in said["IoU"])
    metrics += [Metric(names[f"IoU/{c}"], value, now, 0) for c, value in said["IoU"].items() if value is not None]
    metrics += [Metric("mIoU by seed", seed["mIoU"], now, seed["seed"]) for seed in said["seeds"]]
    settings = _flat({**said["protocol"], "made_from": said["made_from"]})
    params = [Param("set", name), *(Param(key, str(value)) for key, value in settings.items())]
    try:
        client.log_batch(run_id, metrics=metrics, params=params)
    except MlflowException:
        client.set_terminated(run_id, "FAILED", end_time=now)
        raise
    client.set_terminated(run_id, end_time=now)


def _run_name(params: Params, key: str) -> str:
    """The DVC experiment's name where there is one; else what is trained, and the beginning of its key."""
    variant = params.model.variant
    rates = variant if isinstance(variant, str) else "-".join(map(str, variant))
    return os.environ.get("DVC_EXP_NAME") or f"train {rates}, {params.train.steps} steps, {key[:7]}"


def _about(params: Params) -> str:
    return f"Frames of {params.data.source.root} in the look of {params.data.target.root}."


def picture_link(run: str, artifact: str, title: str) -> str:
    """Markdown that shows a run's picture in a description on MLflow's pages."""
    return f"![{title}](get-artifact?path={quote(artifact, safe='')}&run_uuid={run})"


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


def _queues() -> Path:
    return project_root() / ".hflow" / "tracking"


def _is_refusal(error: Exception) -> bool:
    """Whether it is the entry that is at fault, and not the way to the server."""
    if isinstance(error, MlflowException):
        return error.error_code in REFUSALS
    if isinstance(error, OSError):
        status = getattr(getattr(error, "response", None), "status_code", None)
        return isinstance(error, FileNotFoundError) or status == TOO_LARGE
    # An entry of another version, or a picture that can't be read.
    return isinstance(error, HflowError | KeyError | TypeError | ValueError | AttributeError)


def _away(error: Exception) -> str:
    return f"MLflow can't be reached ({' '.join(str(error).split())[:200]})"


def _made_as(model: Path) -> str | None:
    """The fingerprint of the model that is in a folder now."""
    try:
        return training_fingerprint(model)
    except HflowError:
        return None


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat
