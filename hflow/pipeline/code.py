"""What each stage depends on beside data and parameters, as files that DVC can track: code, libraries, files given."""

from hflow.foundation.atomic_files import write_json
from hflow.foundation.code_fingerprint import code_marks
from hflow.foundation.params import Params
from hflow.pipeline import stages
from hflow.pipeline.given_files import given_hashes
from hflow.pipeline.outputs import CODE

__all__ = ["STAGES", "write_code_marks"]

STAGES = (
    stages.town,
    stages.prepare,
    stages.first_round,
    stages.train,
    stages.translate,
    stages.baselines,
    stages.sums,
    stages.segment,
    stages.evaluate,
)
"""Those whose results follow from data, parameters and code. What fetch brings is the registry's affair."""


def write_code_marks(params: Params) -> None:
    """Write data/code/STAGE.json for each stage: another one only where something changed that can change a byte.

    That is the code, the versions of the libraries, and the files that a parameter names and no stage makes.

    Raises:
        HflowError: such a file lies where DVC doesn't look.
    """
    for stage in STAGES:
        files = given_hashes(params, stage.__name__)
        write_json(CODE / f"{stage.__name__}.json", {**code_marks(stage), **({"given": files} if files else {})})
