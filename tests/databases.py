"""Databases as the servers of Prefect and MLflow make them, each made once for all tests: making one takes seconds."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
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
        self._place = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own

    def prefect(self, home: Path) -> Path:
        """Give a folder, new or not, for PREFECT_HOME the database of a server; gives the folder."""
        return shutil.copytree(self._made("new-prefect", _make_prefect), home, dirs_exist_ok=True)

    def mlflow(self, path: Path) -> Path:
        """Put an MLflow store without experiments and runs at this path; gives the path."""
        return shutil.copy(self._made("new-mlflow", _make_mlflow) / "mlflow.db", path)

    def _made(self, name: str, make: Callable[[Path], None]) -> Path:
        made = self._place / name
        with FileLock(made.with_suffix(".lock")):
            if not made.exists():
                half = made.with_suffix(".tmp")
                half.mkdir()
                make(half)
                half.rename(made)
        return made


def _make_prefect(home: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    command = [sys.executable, "-m", "prefect", "server", "database", "upgrade", "-y"]
    subprocess.run(command, env=environment | {"PREFECT_HOME": str(home)}, capture_output=True, check=True)


def _make_mlflow(folder: Path) -> None:
    from mlflow import MlflowClient  # seconds, which tests without MLflow need not wait for

    MlflowClient(f"sqlite:///{folder}/mlflow.db").search_experiments()
