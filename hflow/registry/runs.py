"""MLflow: a run for each training, its data and model, and a child run for each downstream training.

A store that can't be reached stops nothing: what it would be told waits in .hflow/tracking and is handed in by the
first run that reaches it again.
"""

import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hflow.foundation.hashes import fingerprint, sha256_file
from hflow.foundation.json_files import read_json
from hflow.foundation.lineage import dvc_hash, git_commit
from hflow.foundation.params import Params, TrackingParams
from hflow.foundation.progress import say
from hflow.foundation.project_root import project_root
from hflow.model.store import training_fingerprint
from hflow.registry.offline_queue import OfflineQueue, abandoned_queues
from hflow.registry.run_writer import RunWriter, flat_values

__all__ = ["TrainingRun", "hand_in", "log_scores"]

SECONDS_BETWEEN_TRIES = 20.0


class TrainingRun:
    """The MLflow run of a training: a logger that `training.train` can be given.

    The run begins with the training, by whose fingerprint it is found again: a training that goes on from a checkpoint
    goes on in its run, whatever else has changed.

    Args:
        params: what the training is started with; all of it is logged.
        data: the prepared datasets by name, each a path that DVC tracks.
    """

    def __init__(self, params: Params, data: Mapping[str, Path]):
        hand_in(params.tracking)
        self._params = params
        self._data = data
        self._queue: OfflineQueue | None = None
        self._next_try = 0.0
        self._told = True

    def begin(self, fingerprint: str) -> None:
        """Begin the run of the training with this fingerprint, or go on in the one that did not finish."""
        params = self._params
        self._queue = OfflineQueue(_queues() / f"{fingerprint}.jsonl", RunWriter(params.tracking))
        self._tell(
            "start",
            key=fingerprint,
            name=_run_name(params, fingerprint),
            about=_about(params),
            commit=git_commit(),
            params=flat_values(params.model_dump(mode="json", exclude={"town", "tracking"})),
            datasets=[[name, dvc_hash(path), path.as_posix()] for name, path in self._data.items()],
        )

    def metrics(self, values: Mapping[str, float], step: int) -> None:
        self._tell("metrics", values=dict(values), step=step)

    def image(self, key: str, path: Path, step: int) -> None:
        self._tell("image", key=key, path=str(path.resolve()), step=step)

    def finish(self, model: Path, model_fingerprint: str, plots: Path) -> None:
        """Log the model and the pictures, and end the run."""
        self._end("finish", model=str(model.resolve()), fingerprint=model_fingerprint, plots=str(plots.resolve()))

    def fail(self) -> None:
        """End the run as failed; the same training started again goes on in it. One that has not begun has no run."""
        self._end("fail")

    def stop(self) -> None:
        """End the run as killed, by a person or whoever cancels it; started again it goes on as a failed one does."""
        self._end("stop")

    def _end(self, what: str, **values: Any) -> None:
        if self._queue is None:
            return
        self._next_try = 0.0
        self._tell(what, **values)
        self._queue.close()

    def _tell(self, what: str, **values: Any) -> None:
        assert self._queue is not None
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
    queue = OfflineQueue(_queues() / f"scores-{fingerprint([made_as, said])}.jsonl", RunWriter(params.tracking))
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
        queue = OfflineQueue(path, RunWriter(params))
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


def _run_name(params: Params, key: str) -> str:
    """The DVC experiment's name where there is one; else what is trained, and the beginning of its key."""
    variant = params.model.variant
    rates = variant if isinstance(variant, str) else "-".join(map(str, variant))
    return os.environ.get("DVC_EXP_NAME") or f"train {rates}, {params.train.steps} steps, {key[:7]}"


def _about(params: Params) -> str:
    return f"Frames of {params.data.source.root} in the look of {params.data.target.root}."


def _queues() -> Path:
    return project_root() / ".hflow" / "tracking"


def _away(error: Exception) -> str:
    return f"MLflow can't be reached ({' '.join(str(error).split())[:200]})"
