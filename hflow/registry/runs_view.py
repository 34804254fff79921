"""How MLflow's list of runs looks: the view "Trainings", a row a training with what tells it from the others."""

import json
from collections.abc import Iterable

__all__ = ["DATA", "TRAININGS", "VIEW_TAG", "versions_of_data", "view"]

DATA = "data"
"""The tag that holds the versions of the data that a training was given."""

TRAININGS = "trainings"
"""The view's name in addresses."""

VIEW_TAG = f"mlflow.sharedViewState.{TRAININGS}"
"""The experiment's tag by which MLflow offers the view under "Views"."""

WIDTHS = {
    "attributes.`Run Name`": 230,
    "runDateAndNestInfo": 130,
    "metrics.`mIoU`": 80,
    "metrics.`gain`": 80,
    "metrics.`SSIM`": 80,
    f"tags.`{DATA}`": 330,
    "attributes.`Version`": 80,
    "attributes.`Source`": 110,
    "duration": 90,
}
"""The columns from left to right, by MLflow's names for them, in pixels; `Version` is the git commit."""

ALWAYS_THERE = ("attributes.`Run Name`", "runDateAndNestInfo", "duration")


def view() -> str:
    """The view as MLflow's pages keep one that was saved by hand."""
    chosen = [column for column in WIDTHS if column not in ALWAYS_THERE]
    state = {"selectedColumns": chosen, "columnOrder": list(WIDTHS), "columnWidths": WIDTHS}
    return json.dumps({"name": "Trainings", "createdAt": 0, "updatedAt": 0, "state": json.dumps(state)})


def versions_of_data(hashes: Iterable[tuple[str, str]]) -> str:
    """Names and hashes as a short line.

    >>> versions_of_data([("source", "8977b6c0547e.dir"), ("target", "1a2b3c4d5e6f.dir")])
    'source 8977b6c, target 1a2b3c4'
    """
    return ", ".join(f"{name} {sha[:7]}" for name, sha in hashes)
