"""The stage translate as a flow: every prepared frame in the target's style."""

from pathlib import Path
from typing import Any

from flows.stage import publish_table, run_as_command, stage_flow
from hflow import stages
from hflow.params import load_params

__all__ = ["translate"]


@stage_flow
def translate(params: Path = Path("params.yaml")) -> dict[str, Any]:
    """Run the stage with the parameters in a params.yaml."""
    result = stages.translate(load_params(params))
    publish_table("translate", result, "How many frames were translated, and how much of them was kept")
    return result


if __name__ == "__main__":
    run_as_command(translate)
