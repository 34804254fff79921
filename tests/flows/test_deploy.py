"""`make deploy` reaches the server that a run reaches, or says in one line why not."""

import base64
import json
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from prefect.client.orchestration import SyncPrefectClient
from prefect.settings import PREFECT_API_AUTH_STRING, temporary_settings

from flows import deploy
from flows.up import ADDRESSES
from hflow.foundation.errors import HflowError
from tests.servers import free_port

PASSWORD = "a long password"
AUTH = f"hflow:{PASSWORD}"


class _WithPassword(BaseHTTPRequestHandler):
    """A Prefect server's answers: healthy to all, no flows to those who have the password."""

    def do_GET(self) -> None:
        self._answer(200 if self.path == "/api/health" else 404, True)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        expected = f"Basic {base64.b64encode(AUTH.encode()).decode()}"
        self._answer(*((200, []) if self.headers["Authorization"] == expected else (401, {})))

    def _answer(self, status: int, body: object) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Not in the output of the tests."""


@pytest.fixture
def guarded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a server that asks for a password, known by PREFECT_API_URL."""
    monkeypatch.chdir(tmp_path)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _WithPassword)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/api"
    monkeypatch.setenv("PREFECT_API_URL", url)
    monkeypatch.setenv("HFLOW_BRANCH", "main")
    yield url
    server.shutdown()
    server.server_close()


@pytest.mark.usefixtures("guarded")
def test_what_is_deployed_is_sent_with_the_password(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []

    def ask(client: SyncPrefectClient, *_: str) -> None:
        seen.append(client.read_flows())

    for part in ("_pools", "_limit", "_automation"):
        monkeypatch.setattr(deploy, part, ask)
    monkeypatch.setattr(subprocess, "run", lambda command, **_: subprocess.CompletedProcess(command, 0, stdout=""))
    with temporary_settings({PREFECT_API_AUTH_STRING: AUTH}):
        deploy.deploy()
    assert seen == [[], [], []]


def test_a_server_that_asks_for_another_password_is_said(guarded: str) -> None:
    with pytest.raises(HflowError, match=f"server at {guarded} refuses: set PREFECT_API_AUTH_STRING"):
        deploy.deploy()


def test_addresses_that_a_killed_make_up_left_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    monkeypatch.setenv("HFLOW_BRANCH", "main")
    ADDRESSES.parent.mkdir(parents=True)
    ADDRESSES.write_text(json.dumps({"PREFECT_API_URL": f"http://127.0.0.1:{free_port()}/api"}))
    with pytest.raises(HflowError, match=f"no Prefect server answers at http.*: remove {ADDRESSES}, and run"):
        deploy.deploy()


@pytest.mark.usefixtures("guarded")
def test_a_commit_without_a_branch_is_refused_unless_one_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    who = ("-c", "user.name=t", "-c", "user.email=t@t")
    for line in (("init", "-q"), (*who, "commit", "-q", "--allow-empty", "-m", "t"), ("checkout", "-q", "--detach")):
        subprocess.run(["git", *line], check=True)
    monkeypatch.delenv("HFLOW_BRANCH")
    with pytest.raises(HflowError, match=r"no branch is checked out .* or set HFLOW_BRANCH"):
        deploy.deploy()
    monkeypatch.setenv("HFLOW_BRANCH", "main")
    with pytest.raises(HflowError, match="set PREFECT_API_AUTH_STRING"):
        deploy.deploy()
