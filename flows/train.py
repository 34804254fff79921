"""The stage train as a flow: Hierarchy Flow on the prepared images."""

from pathlib import Path
from typing import Any

from flows.stage import publish_table, run_as_command, stage_flow
from hflow.foundation.params import load_params
from hflow.pipeline import stages

__all__ = ["train"]


@stage_flow
def train(params: Path = Path("params.yaml")) -> dict[str, Any]:
    """Run the stage with the parameters in a params.yaml."""
    result = stages.train(load_params(params))
    publish_table("train", result, "Losses at the end of training")
    return result


if __name__ == "__main__":
    run_as_command(train)
