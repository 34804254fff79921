"""The files in which DVC keeps stages: dvc.yaml, which declares them, and dvc.lock, which notes their last run."""

from pathlib import Path
from typing import Any

import yaml

__all__ = ["dvc_stages"]


def dvc_stages(file: Path) -> dict[str, dict[str, Any]]:
    """The stages in a dvc.yaml or a dvc.lock, by name; none where there is no such file."""
    if not file.is_file():
        return {}
    stages: dict[str, dict[str, Any]] = (yaml.safe_load(file.read_text(encoding="utf-8")) or {}).get("stages", {})
    return stages
