"""The stage segment as a flow: the downstream segmenter on one training set."""

import sys
from pathlib import Path
from typing import Any

from flows.stage import publish_table, run_as_command, stage_flow
from hflow.foundation.params import load_params
from hflow.pipeline import stages

__all__ = ["segment"]


@stage_flow
def segment(train_on: str, params: Path = Path("params.yaml")) -> dict[str, Any]:
    """Train on the set of this name and score on the target's validation set."""
    result = stages.segment(load_params(params), train_on)
    scores = {key: value for key, value in result.items() if isinstance(value, float)}
    publish_table("segment", {"train_on": train_on, **scores}, "Scores on the target's validation set")
    return result


if __name__ == "__main__":
    run_as_command(segment, train_on=sys.argv[1])
