"""What of the code each stage depends on, as files that DVC can track."""

from hflow.foundation.atomic_files import write_json
from hflow.foundation.code_fingerprint import code_marks
from hflow.pipeline import stages
from hflow.pipeline.outputs import CODE

__all__ = ["STAGES", "write_code_marks"]

STAGES = (
    stages.town,
    stages.prepare,
    stages.train,
    stages.translate,
    stages.baselines,
    stages.sums,
    stages.segment,
    stages.evaluate,
)
"""Those whose results follow from data, parameters and code. What fetch brings is the registry's affair."""


def write_code_marks() -> None:
    """Write data/code/STAGE.json for each stage: another one only where the code changed that can change a byte."""
    for stage in STAGES:
        write_json(CODE / f"{stage.__name__}.json", code_marks(stage))
