"""Servers of Prefect and MLflow behind the proxy of docs/how-to/nginx.conf: whoever has no password gets nowhere."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.certificates import has_openssl, self_signed
from tests.databases import Databases
from tests.servers import free_port, served

pytestmark = [
    pytest.mark.end_to_end,
    pytest.mark.skipif(not (shutil.which("nginx") and has_openssl()), reason="needs nginx and openssl"),
]

EXAMPLE = Path(__file__).parents[2] / "docs/how-to/nginx.conf"
USER = "hflow"
PASSWORD = "a long password"

FLOW = """
from flows.stage import publish_table, run_as_command, stage_flow

@stage_flow
def count():
    publish_table("count", {"one": 1}, "a table")
    return 1

run_as_command(count)
"""

TRACK = """
import mlflow
mlflow.set_experiment("town")
with mlflow.start_run():
    mlflow.log_metric("mIoU", 0.5)
    mlflow.log_text("a" * 2_000_000, "large.txt")
run = mlflow.search_runs()
print(run["metrics.mIoU"].tolist(), [a.path for a in mlflow.MlflowClient().list_artifacts(run["run_id"][0])])
"""


@dataclass(frozen=True)
class Proxied:
    """The addresses of clients, and the certificate that they trust."""

    prefect: str
    mlflow: str
    certificate: Path


@pytest.fixture(scope="module")
def proxied(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxied]:
    place = tmp_path_factory.mktemp("proxy")
    certificate, key = place / "hflow.pem", place / "hflow.key"
    self_signed(certificate, key)
    ports = {number: str(free_port()) for number in ("4200", "4443", "5000", "5443")}
    config = EXAMPLE.read_text()
    for number, port in ports.items():
        assert number in config
        config = config.replace(number, port)
    config = config.replace("/etc/nginx/hflow", str(place / "hflow")).replace("listen ", "listen 127.0.0.1:")
    temporary = "".join(
        f"{kind}_temp_path {place}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (place / "nginx.conf").write_text(
        f"daemon off; pid {place}/pid; error_log {place}/error.log; events {{}}\n"
        f"http {{ access_log off; {temporary} {config} }}\n"
    )
    (place / "auth.ini").write_text(
        f"[mlflow]\ndefault_permission = READ\ndatabase_uri = sqlite:///{place}/auth.db\nadmin_username = {USER}\n"
        "authorization_function = mlflow.server.auth:authenticate_request_basic_auth\n"
    )
    databases.prefect(place / "prefect")
    prefect = {"PREFECT_HOME": str(place / "prefect"), "PREFECT_SERVER_API_AUTH_STRING": f"{USER}:{PASSWORD}"}
    prefect |= {"PREFECT_API_URL": f"http://127.0.0.1:{ports['4200']}/api"}
    mlflow = {"MLFLOW_AUTH_CONFIG_PATH": str(place / "auth.ini"), "MLFLOW_AUTH_ADMIN_PASSWORD": PASSWORD}
    mlflow |= {"MLFLOW_FLASK_SERVER_SECRET_KEY": "a secret"}
    databases.mlflow(place / "mlflow.db")
    store = [f"--backend-store-uri=sqlite:///{place}/mlflow.db", f"--artifacts-destination={place}/artifacts"]
    names = f"--allowed-hosts=localhost:{ports['5443']}"
    with (
        served(
            *("prefect", "server", "start", "--port", ports["4200"]),
            url=f"http://127.0.0.1:{ports['4200']}/api/health",
            log=place / "prefect.log",
            environment=prefect,
            seconds=240,
        ),
        served(
            *("mlflow", "server", "--app-name=basic-auth", "--workers=1", "--port", ports["5000"], names, *store),
            url=f"http://127.0.0.1:{ports['5000']}/health",
            log=place / "mlflow.log",
            environment=mlflow,
            seconds=240,
        ),
    ):
        nginx = subprocess.Popen(
            ["nginx", "-p", str(place), "-c", str(place / "nginx.conf"), "-e", str(place / "error.log")]
        )
        try:
            yield Proxied(f"https://localhost:{ports['4443']}/api", f"https://localhost:{ports['5443']}", certificate)
        finally:
            nginx.terminate()
            nginx.wait(20)


def _python(code: str, place: Path, **settings: str) -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, "PREFECT_HOME": str(place / "prefect"), **settings}
    return subprocess.run(
        [sys.executable, "-c", code], cwd=place, env=environment, capture_output=True, text=True, timeout=240
    )


def test_a_flow_with_the_password_is_known_to_the_server(proxied: Proxied, tmp_path: Path) -> None:
    secret = {"PREFECT_API_SSL_CERT_FILE": str(proxied.certificate), "PREFECT_API_AUTH_STRING": f"{USER}:{PASSWORD}"}
    done = _python(FLOW, tmp_path, PREFECT_API_URL=proxied.prefect, **secret)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Finished in state Completed" in done.stdout + done.stderr
    assert "Unable to connect" not in done.stdout + done.stderr
    with httpx.Client(verify=str(proxied.certificate), auth=(USER, PASSWORD)) as client:
        (run,) = client.post(f"{proxied.prefect}/flow_runs/filter", json={}).json()
    assert run["state_name"] == "Completed"


def test_a_flow_without_the_password_is_refused_in_one_line(proxied: Proxied, tmp_path: Path) -> None:
    for given in ({}, {"PREFECT_API_AUTH_STRING": f"{USER}:another"}):
        settings = {"PREFECT_API_SSL_CERT_FILE": str(proxied.certificate), "PREFECT_API_URL": proxied.prefect, **given}
        done = _python(FLOW, tmp_path, **settings)
        assert done.returncode == 1
        assert done.stderr.splitlines() == [
            f"hflow: the Prefect server at {proxied.prefect} refuses: set PREFECT_API_AUTH_STRING to USER:PASSWORD"
        ]


def test_a_run_with_the_password_is_tracked_and_its_artifacts_too(proxied: Proxied, tmp_path: Path) -> None:
    settings = {"MLFLOW_TRACKING_SERVER_CERT_PATH": str(proxied.certificate), "MLFLOW_TRACKING_URI": proxied.mlflow}
    secret = {"MLFLOW_TRACKING_USERNAME": USER, "MLFLOW_TRACKING_PASSWORD": PASSWORD}
    done = _python(TRACK, tmp_path, **settings, **secret)
    assert "[0.5] ['large.txt']" in done.stdout, done.stdout + done.stderr


def test_nothing_is_read_or_written_without_the_password(proxied: Proxied) -> None:
    with httpx.Client(verify=str(proxied.certificate)) as client:
        for auth in (None, (USER, "another")):
            answers = [
                client.post(f"{proxied.prefect}/flow_runs/filter", json={}, auth=auth),
                client.post(f"{proxied.prefect}/deployments/filter", json={}, auth=auth),
                client.post(f"{proxied.mlflow}/api/2.0/mlflow/experiments/create", json={"name": "x"}, auth=auth),
                client.get(f"{proxied.mlflow}/api/2.0/mlflow-artifacts/artifacts", auth=auth),
                client.get(f"{proxied.mlflow}/ajax-api/2.0/mlflow/experiments/search?max_results=1", auth=auth),
            ]
            assert [answer.status_code for answer in answers] == [401] * 5


def test_who_does_not_trust_the_certificate_sends_no_password(proxied: Proxied) -> None:
    for address in (f"{proxied.prefect}/health", f"{proxied.mlflow}/health"):
        with pytest.raises(httpx.ConnectError, match="certificate"):
            httpx.get(address, auth=(USER, PASSWORD))
