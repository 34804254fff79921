"""The stage evaluate as a flow: all figures, and the report."""

from pathlib import Path
from typing import Any

from flows.stage import publish_table, run_as_command, stage_flow
from hflow.foundation.params import load_params
from hflow.pipeline import stages

__all__ = ["evaluate"]


@stage_flow
def evaluate(params: Path = Path("params.yaml")) -> dict[str, Any]:
    """Run the stage with the parameters in a params.yaml."""
    result = stages.evaluate(load_params(params))
    publish_table("evaluate", result, "The figures of the run")
    return result


if __name__ == "__main__":
    run_as_command(evaluate)
