"""hflow doctor: what is missing is told with what to do, and only what would stop a run is a fault."""

import threading
import tomllib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hflow.commands import doctor
from hflow.commands.cli import app
from hflow.commands.doctor import findings
from hflow.foundation.errors import HflowError
from hflow.foundation.loopback import free_port
from hflow.foundation.params import Params, load_params

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def no_servers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("PREFECT_API_URL", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("NO_PROXY", "")  # which asking loopback changes
    monkeypatch.setenv("no_proxy", "")
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def healthy() -> Iterator[str]:
    """The URL of a server that answers /api/health as Prefect's does, and nothing else."""

    class Health(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/api/health" else 404)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Health)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/api"
    server.shutdown()
    thread.join()
    server.server_close()


def _found(what: str, params: Params | None = None) -> doctor.Finding:
    return next(one for one in findings(params) if one.what == what)


def test_whatever_is_not_ok_says_what_to_do() -> None:
    found = list(findings(None))
    assert {"Python", "GPU", "memory", "disk", "ports", "chromium", "MLflow", "Prefect", "VGG-19"} < {
        one.what for one in found
    }
    assert [one for one in found if (one.state == "ok") == bool(one.remedy)] == []


def test_without_named_servers_nothing_is_at_fault() -> None:
    assert (_found("MLflow").state, _found("Prefect").state) == ("ok", "ok")


def test_a_prefect_server_that_answers_is_ok(healthy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_API_URL", healthy)
    assert _found("Prefect").state == "ok"


@pytest.mark.parametrize("name", ["PREFECT_API_URL", "MLFLOW_TRACKING_URI"])
def test_a_server_that_does_not_answer_is_a_fault_without_its_password(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, f"http://somebody:sEcret99@127.0.0.1:{free_port()}/api")
    done = CliRunner().invoke(app, ["doctor"])
    assert isinstance(done.exception, HflowError)
    assert "does not answer" in done.output
    assert "sEcret99" not in done.output


def test_weights_that_params_name_and_are_not_there_are_a_fault() -> None:
    params = load_params(ROOT / "params.yaml")
    named = params.encoder.model_copy(update={"name": "vgg19", "weights": Path("models/given/none.pth")})
    assert _found("VGG-19", params.model_copy(update={"encoder": named})).state == "fault"
    assert _found("VGG-19", params).state == "absent"


def test_every_extra_is_looked_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert doctor.EXTRAS.keys() == project["optional-dependencies"].keys()


def test_a_missing_extra_is_named_with_its_installation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(doctor.EXTRAS, "inception", ("no_such_module",))
    found = _found("inception")
    assert (found.state, "hflow[inception]" in found.remedy) == ("absent", True)


def test_little_room_is_told_and_too_little_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    for what in ("DISK", "MEMORY"):
        monkeypatch.setattr(doctor, what, 2**80)
        assert (_found(what.lower()).state, bool(_found(what.lower()).remedy)) == ("absent", True)
    monkeypatch.setattr(doctor, "LEAST_DISK", 2**80)
    done = CliRunner().invoke(app, ["doctor"])
    assert (done.exit_code, "to be mended before a run: disk" in str(done.exception)) == (1, True)


def test_a_port_that_a_program_listens_on_is_named(healthy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    port, free = int(healthy.split(":")[2].split("/")[0]), free_port()
    monkeypatch.setattr(doctor, "PORTS", {free: "MLflow server"})
    assert _found("ports").state == "ok"
    monkeypatch.setattr(doctor, "PORTS", {port: "Prefect server", free: "MLflow server"})
    found = _found("ports")
    assert (found.state, found.found) == ("absent", f"taken: {port} (Prefect server)")
