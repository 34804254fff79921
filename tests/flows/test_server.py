"""A run's own Prefect server starts, whatever home it finds and whoever starts one beside it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from prefect.client.orchestration import get_client

from flows import server
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


GIVES_UP_ONCE = """
import os, sys
from pathlib import Path

import pytest
from prefect.client.orchestration import get_client
if not Path("gave-up").exists():
    Path("gave-up").touch()
    sys.exit(1)
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""


def test_a_server_that_gives_up_is_started_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As one does that makes Prefect's database while another is making it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    monkeypatch.setattr(server, "COMMAND", ("-c", GIVES_UP_ONCE, *server.COMMAND))
    with server.prefect_server(), get_client(sync_client=True) as client:
        assert client.api_healthcheck() is None
    assert (tmp_path / "gave-up").exists()
