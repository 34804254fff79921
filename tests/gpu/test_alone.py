"""The tests for a GPU need none of the packages that a bare machine with one lacks."""

import subprocess
import sys
from pathlib import Path

COLLECT = """
import sys


class Absent:
    def find_spec(self, name, *_):
        if name.partition(".")[0] in {"dvc", "mlflow", "prefect", "prefect_dask", "distributed"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


sys.meta_path.insert(0, Absent())
import pytest

sys.exit(pytest.main(["-m", "gpu", "--collect-only", "-p", "no:cacheprovider", "tests/gpu"]))
"""


def test_they_are_found_without_prefect_dvc_and_mlflow() -> None:
    found = subprocess.run(
        [sys.executable, "-c", COLLECT], cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stdout + found.stderr
    assert "test_two_processes_translate_on_one_gpu_to_the_same_bytes" in found.stdout
