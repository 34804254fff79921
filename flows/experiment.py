"""One training with other settings as a flow: a DVC experiment of its own, with scores and report."""

from typing import Annotated, Any

from pydantic import Field

from flows.child_runs import for_children
from flows.dvc_commands import PIPELINE, dvc, has_remote
from flows.stage import alone_on_gpu, stage_flow
from hflow.foundation.errors import HflowError
from hflow.foundation.lineage import file_at, git_commit
from hflow.foundation.params import Params, check_section, load_params
from hflow.foundation.yaml_text import parse_yaml
from hflow.pipeline.sweeps import dvc_options, with_setting

__all__ = ["experiment"]


@stage_flow
def experiment(
    name: Annotated[str, Field(pattern="^[a-z0-9-]+$")],
    steps: Annotated[int, Field(ge=1)] | None = None,
    learning_rate: Annotated[float, Field(gt=0)] | None = None,
    lambda_style: Annotated[float, Field(ge=0)] | None = None,
    k: Annotated[float, Field(gt=0, le=1)] | None = None,
    seed: Annotated[int, Field(ge=0)] | None = None,
    whole_pipeline: bool = True,
) -> str:
    """Train with other settings than params.yaml's, beside the project.

    What came of it goes to the repository that the worker's clone is of: `dvc exp pull origin NAME` fetches it, and
    `dvc exp show` compares. A run with the same name and settings does what the one before could not.

    Args:
        name: of the experiment; another one for other settings.
        steps: train.steps; what is left empty is as in params.yaml.
        learning_rate: train.learning_rate.
        lambda_style: loss.lambda_style, style against content.
        k: loss.k, the share of channels whose style is aligned.
        seed: train.seed.
        whole_pipeline: translate and score with it too.
    """
    params = load_params()
    given = {
        "train.steps": steps,
        "train.learning_rate": learning_rate,
        "loss.lambda_style": lambda_style,
        "loss.k": k,
        "train.seed": seed,
    }
    setting = {key: value for key, value in given.items() if value is not None}
    wanted = with_setting(params, setting)
    with alone_on_gpu():
        environment = for_children()
        target = PIPELINE if whole_pipeline else "train"
        is_there, is_whole = _found(name, wanted)
        if is_there and whole_pipeline and not is_whole:
            # DVC runs none under a name that is taken. The stages of the one that goes are in the cache of runs.
            dvc("exp", "remove", name, environment=environment)
            is_there = False
        command = ("exp", "run", "--temp", "--name", name, *dvc_options(setting), target)
        if not is_there and dvc(*command, environment=environment):
            raise HflowError(f"the experiment {name} failed, its reason is above")
        cache = "--run-cache" if has_remote() else "--no-cache"
        if dvc("exp", "push", "--force", cache, "origin", name, environment=environment):
            raise HflowError(
                f"the experiment {name} is done, but can't be handed to the repository it was cloned from: "
                f"the reason is above, and it stays in the worker's clone; run it again to hand it over"
            )
    return name


def _found(name: str, wanted: Params) -> tuple[bool, bool]:
    """Whether there is an experiment of this name below the commit, and whether it has run the whole pipeline.

    Raises:
        HflowError: it has other settings.
    """
    commit = git_commit()
    experiment = f"refs/exps/{commit[:2]}/{commit[2:]}/{name}"
    text = file_at(experiment, "params.yaml")
    if text is None:
        return False, False
    if check_section(Params, parse_yaml(text), f"params.yaml of {name}") != wanted:
        raise HflowError(f"there is an experiment {name} with other settings: give this one another name")
    # An experiment has the commit's own lock of each stage that it has not run.
    return True, _last_stage(experiment) != _last_stage(commit)


def _last_stage(revision: str) -> Any:
    """What dvc.lock notes there of the pipeline's last stage; None where it has not run."""
    return (parse_yaml(file_at(revision, "dvc.lock") or "") or {}).get("stages", {}).get(PIPELINE)
