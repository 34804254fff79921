"""Databases as MLflow makes them, made once for all tests: making one takes seconds."""

import os
import shutil
from pathlib import Path

import pytest
from filelock import FileLock

__all__ = ["Databases"]


class Databases:
    """Copies of new databases, so that a server or a client finds one instead of making it, table by table.

    Args:
        factory: pytest's; all its workers share what is made.
    """

    def __init__(self, factory: pytest.TempPathFactory):
        own = factory.getbasetemp()
        self._made = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "new-mlflow.db"

    def mlflow(self, path: Path) -> Path:
        """Put an MLflow store without experiments and runs at this path; gives the path."""
        with FileLock(self._made.with_suffix(".lock")):
            if not self._made.exists():
                _make_mlflow(self._made)
        return shutil.copy(self._made, path)


def _make_mlflow(path: Path) -> None:
    from mlflow import MlflowClient  # seconds, which tests without MLflow need not wait for

    half = path.with_suffix(".half")
    MlflowClient(f"sqlite:///{half}").search_experiments()
    half.rename(path)
