"""What DVC says of a project."""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from hflow.foundation.errors import HflowError

__all__ = ["DVC", "PIPELINE", "dvc_answer"]

DVC = (sys.executable, "-m", "dvc")
"""The command: that of this environment, whether it is activated or not."""

PIPELINE = "evaluate"
"""The last stage: what it needs is the pipeline. With a fixed model, training is no part of it."""


def dvc_answer(folder: Path, *arguments: str) -> str:
    """What `dvc ARGUMENTS` prints in the folder of a project.

    Data that DVC has not seen before it hashes first, which may take hours.

    Raises:
        HflowError: DVC is not installed, or fails.
    """
    if find_spec("dvc") is None:
        raise HflowError("DVC is not installed, which knows what is there: `uv pip install 'hflow[pipeline]'`")
    done = subprocess.run([*DVC, *arguments], cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.strip()]
        raise HflowError(f"dvc {arguments[0]}: {said[0].removeprefix('ERROR: ') if said else done.returncode}")
    return done.stdout
