"""A tiny run that can be evaluated."""

from pathlib import Path

import pytest

from tests.reports.evaluated_run import Run


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path, frames={"train": 9, "val": 3})
