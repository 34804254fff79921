"""What the engines have in common: the bytes that all of them give."""

from pathlib import Path

import pytest

from tests.conftest import Project
from tests.translation.engines.running import run


@pytest.fixture(scope="session")
def expected(project: Project, model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What a run in this process publishes."""
    return run(project, model_folder, tmp_path_factory.mktemp("in process"))
