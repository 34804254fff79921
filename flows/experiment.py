"""One training with other settings as a flow: a DVC experiment of its own, with scores and report."""

from typing import Annotated

from pydantic import Field

from flows.child_runs import for_children
from flows.dvc_commands import PIPELINE, dvc, has_remote
from flows.stage import alone_on_gpu, stage_flow
from hflow.foundation.errors import HflowError
from hflow.foundation.params import load_params

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
    `dvc exp show` compares.

    Args:
        name: of the experiment.
        steps: train.steps; what is left empty is as in params.yaml.
        learning_rate: train.learning_rate.
        lambda_style: loss.lambda_style, style against content.
        k: loss.k, the share of channels whose style is aligned.
        seed: train.seed.
        whole_pipeline: translate and score with it too.
    """
    load_params()
    given = {
        "train.steps": steps,
        "train.learning_rate": learning_rate,
        "loss.lambda_style": lambda_style,
        "loss.k": k,
        "train.seed": seed,
    }
    settings = [part for key, value in given.items() if value is not None for part in ("-S", f"{key}={value}")]
    with alone_on_gpu():
        environment = for_children()
        target = PIPELINE if whole_pipeline else "train"
        if dvc("exp", "run", "--temp", "--name", name, *settings, target, environment=environment):
            raise HflowError(f"the experiment {name} failed, its reason is above")
        cache = "--run-cache" if has_remote() else "--no-cache"
        if dvc("exp", "push", "--force", cache, "origin", name, environment=environment):
            raise HflowError(
                f"the experiment {name} is done, but can't be handed to the repository it was cloned from: "
                f"the reason is above, and it stays in the worker's clone"
            )
    return name
