"""Releasing by hand as a flow: the gate, or back to the champion before."""

from pathlib import Path
from typing import Any

from flows.champion import tell_of_champion
from flows.dvc_commands import PIPELINE, changes, has_remote
from flows.restoring import restore
from flows.stage import publish_table, run_as_command, stage_flow
from hflow.foundation.errors import HflowError
from hflow.foundation.params import load_params
from hflow.pipeline.models import is_registered

__all__ = ["release"]


@stage_flow
def release(rollback: bool = False, replace: bool = False, params: Path = Path("params.yaml")) -> dict[str, Any]:
    """Register the trained model and promote it through the gate, or take the last promotion back.

    Runs no stage: results that are not here come from the DVC remote, and what is missing there is named.

    Args:
        rollback: give the alias champion back to the version that had it before.
        replace: leave the champion's score out of the gate, since the protocol or the validation data have changed.
        params: the parameters; `release` is the gate.
    """
    settings = load_params(params)
    if not rollback and not is_registered(settings.translate.model) and changes():
        if not has_remote():
            raise HflowError("the results are not here: set a DVC remote, or release where the pipeline ran")
        restore(PIPELINE)
    from hflow.pipeline import release

    outcome = release.rollback(settings) if rollback else release.release(settings, replace=replace)
    tell_of_champion(outcome)
    publish_table("release", outcome, "What became of the release")
    return outcome


if __name__ == "__main__":
    run_as_command(release)
