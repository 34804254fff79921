"""Releasing by hand as a flow: the gate, or back to the champion before."""

from pathlib import Path
from typing import Any

from flows.dvc_commands import PIPELINE, changes, dvc, has_remote
from flows.stage import publish_table, run_as_command, stage_flow
from hflow.foundation.errors import HflowError
from hflow.foundation.params import load_params

__all__ = ["release"]


@stage_flow
def release(rollback: bool = False, replace: bool = False, params: Path = Path("params.yaml")) -> dict[str, Any]:
    """Register the trained model and promote it through the gate, or take the last promotion back.

    Args:
        rollback: give the alias champion back to the version that had it before.
        replace: leave the champion's score out of the gate, since the protocol or the validation data have changed.
        params: the parameters; `release` is the gate.
    """
    settings = load_params(params)
    if not rollback and changes():
        # Another worker's clone made the results: here they come from the remote, and no stage runs.
        if not has_remote():
            raise HflowError("the results are not here: set a DVC remote, or release where the pipeline ran")
        if dvc("repro", "--pull", PIPELINE):
            raise HflowError("the results can't be brought here, the reason is above")
    from hflow.pipeline import release

    outcome = release.rollback(settings) if rollback else release.release(settings, replace=replace)
    publish_table("release", outcome, "What became of the release")
    return outcome


if __name__ == "__main__":
    run_as_command(release)
