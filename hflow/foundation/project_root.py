"""Which folder is the project's."""

import os
from pathlib import Path

__all__ = ["project_root"]


def project_root() -> Path:
    """The folder that relative stores and work folders belong to.

    DVC's experiment queue runs a stage in a copy of the project elsewhere and names the project itself in DVC_ROOT;
    outside DVC it is the current folder.
    """
    return Path(os.environ.get("DVC_ROOT", ".")).resolve()
