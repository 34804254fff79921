"""Where the stages leave what they make, and the pieces of work that they keep between runs."""

from pathlib import Path

from hflow.foundation.project_root import project_root

__all__ = [
    "BASELINE_SETS",
    "CODE",
    "EVALUATE_PLOTS",
    "EVALUATION",
    "FIRST_ROUND",
    "GIVEN",
    "JUDGE",
    "MODEL",
    "PHOTOGRAPHS",
    "PREPARED",
    "REPORTS",
    "RESTYLED",
    "SEGMENTATION",
    "SEGMENTERS",
    "SETS",
    "SUMMARY",
    "SUMS",
    "TOWN",
    "TRAIN_PLOTS",
    "TRANSLATED",
    "work_folder",
]

CODE = Path("data/code")
TOWN = Path("data/town")
PREPARED = Path("data/prepared")
SETS = Path("data/sets")
SUMS = Path("data/sums")
FIRST_ROUND = Path("data/first_round")
MODEL = Path("models/hflow")
GIVEN = Path("models/given")
JUDGE = GIVEN / "judge"
PHOTOGRAPHS = GIVEN / "photographs"
FRAMES = GIVEN / "frames"
TRANSLATED = Path("data/translated")
RESTYLED = Path("data/restyled")
BASELINE_SETS = Path("data/baselines")
TRAIN_PLOTS = Path("plots/train")
SEGMENTERS = Path("models/segmenters")
SEGMENTATION = Path("metrics/segment")
EVALUATION = Path("metrics/evaluate.json")
SUMMARY = Path("metrics/summary.json")
EVALUATE_PLOTS = Path("plots/evaluate")
REPORTS = Path("reports")


def work_folder(stage: str) -> Path:
    """Where a stage keeps finished pieces between runs; copies that experiments run in share it."""
    return project_root() / ".hflow" / stage
