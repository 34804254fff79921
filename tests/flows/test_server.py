"""A run's own Prefect server starts where the user has no home that can be written."""

import os
import subprocess
import sys
from pathlib import Path

from tests.unprivileged import unprivileged

SCRIPT = """
from flows.server import prefect_server
from prefect.settings import PREFECT_HOME
with prefect_server():
    print(PREFECT_HOME.value())
"""


def test_without_a_home_the_server_keeps_its_database_in_the_work_folder(tmp_path: Path) -> None:
    home, project = tmp_path / "home", tmp_path / "project"
    project.mkdir()
    home.mkdir(mode=0o555)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "DVC_"))}
    done = subprocess.run(
        unprivileged([sys.executable, "-c", SCRIPT]),
        cwd=project,
        env=environment | {"HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [str(project / ".hflow/prefect")]
    assert "Traceback" not in done.stderr
