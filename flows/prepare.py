"""The stage prepare as a flow: raw datasets to shards."""

from pathlib import Path
from typing import Any

from flows.stage import publish_table, run_as_command, stage_flow
from hflow.foundation.params import load_params
from hflow.pipeline import stages

__all__ = ["prepare"]


@stage_flow
def prepare(params: Path = Path("params.yaml")) -> dict[str, Any]:
    """Run the stage with the parameters in a params.yaml."""
    result = stages.prepare(load_params(params))
    publish_table("prepare", result, "What was prepared and rejected, by domain and split")
    return result


if __name__ == "__main__":
    run_as_command(prepare)
