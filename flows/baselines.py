"""The stage baselines as a flow: the frames recoloured by simple means, where segment.train_on names them."""

from pathlib import Path
from typing import Any

from flows.stage import publish_table, run_as_command, stage_flow
from hflow.foundation.params import load_params
from hflow.pipeline import stages

__all__ = ["baselines"]


@stage_flow
def baselines(params: Path = Path("params.yaml")) -> dict[str, Any]:
    """Run the stage with the parameters in a params.yaml."""
    result = stages.baselines(load_params(params))
    publish_table("baselines", result, "How many frames each baseline recoloured, and how much of them was kept")
    return result


if __name__ == "__main__":
    run_as_command(baselines)
