"""Results of earlier runs, brought from DVC's remote without running what makes them."""

from typing import Any

from dvc.exceptions import DvcException, ReproductionError
from dvc.repo import Repo
from dvc.repo.reproduce import _reproduce_stage
from dvc.stage import Stage
from dvc.stage.cache import RunCacheNotFoundError

from hflow.foundation.errors import HflowError

__all__ = ["restore"]

NOTES = "code"
"""The stage that notes what of the code each other one depends on: the one that may run, since it makes no result."""


def restore(target: str) -> None:
    """Check out what a stage and those that it depends on have made, from the remote where it isn't here.

    Raises:
        HflowError: no run with these inputs is known, or DVC fails.
    """
    try:
        with Repo() as repo:
            repo.reproduce(target, pull=True, repro_fn=_restore_stage)
    except (DvcException, OSError) as error:
        cause = error.__cause__ if isinstance(error, ReproductionError) and error.__cause__ else error
        if isinstance(cause, HflowError):
            raise cause from None
        raise HflowError(f"the results can't be brought here: {' '.join(str(cause).split())}") from None


def _restore_stage(stage: Stage, **options: Any) -> Stage | None:
    """In place of running it: a stage that has changed must be in the run cache, here or in the remote.

    What has no command is data that DVC tracks, which is pulled.
    """
    if stage.cmd and stage.addressing != NOTES and stage.changed(upstream=options.get("upstream")):
        try:
            stage.repo.stage_cache.restore(stage, pull=True)
        except RunCacheNotFoundError:
            raise HflowError(
                f"the results of {stage.addressing} are not here, and the DVC remote has none of the same inputs: "
                "run sim2real first, which pushes them; a release runs no stage"
            ) from None
    restored: Stage | None = _reproduce_stage(stage, **options)
    return restored
