"""`make preflight`: what is missing is named with what to do, and what is there is not."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from deploy import preflight
from hflow.foundation.findings import Finding
from tests.deploy.run_services import SETTINGS

ROOT = Path(__file__).parents[2]


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder of programs: a machine without driver and Docker, as long as nothing is put there."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def _program(file: Path, script: str) -> None:
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)


def _found(env: Path, **settings: str) -> dict[str, list[Finding]]:
    found: dict[str, list[Finding]] = {}
    for one in preflight.findings(settings, env):
        found.setdefault(one.what, []).append(one)
    return found


def _env(tmp_path: Path, **settings: str) -> Path:
    file = tmp_path / ".env"
    file.write_text("# settings\n" + "".join(f"{name}={value}\n" for name, value in (SETTINGS | settings).items()))
    file.chmod(0o600)
    return file


@pytest.mark.usefixtures("programs")
def test_a_bare_machine_is_told_all_that_it_lacks(tmp_path: Path) -> None:
    found = _found(tmp_path / "missing")
    for what in ("settings", "driver", "Docker"):
        (one,) = found[what]
        assert one.state == "fault"
        assert one.remedy


def test_a_machine_with_all_of_it_has_nothing_to_mend(tmp_path: Path, programs: Path) -> None:
    _program(programs / "nvidia-smi", "echo 580.95.05")
    answers = 'case "$*" in *Server*) echo 28.1.0;; compose*) echo v2.39.1;; *Runtimes*) echo \'{"nvidia": {}}\';; esac'
    _program(programs / "docker", answers)
    out = tmp_path / "out"
    out.mkdir()
    out.chmod(0o777)
    found = _found(_env(tmp_path), HFLOW_DATA=str(tmp_path), HFLOW_OUT=str(out))
    for what in ("settings", "data", "out", "driver", "Docker", "Compose", "GPU runtime"):
        assert [one.state for one in found[what]] == ["ok"], what


@pytest.mark.parametrize(
    ("script", "what", "said"),
    [
        ("exit 1", "Docker", "does not answer"),
        ("echo 1.29.2", "Compose", "1.29.2, needed is 2.24"),
        ("echo 2.39.1", "GPU runtime", "no runtime"),
    ],
)
def test_a_docker_that_won_t_do_is_named(tmp_path: Path, programs: Path, script: str, what: str, said: str) -> None:
    _program(programs / "docker", f'case "$*" in *Runtimes*) echo "{{}}";; *) {script};; esac')
    (one,) = _found(_env(tmp_path))[what]
    assert one.state == "fault"
    assert said in one.found


def test_a_folder_for_datasets_that_the_worker_can_t_write_is_named_with_the_command_that_makes_it(
    tmp_path: Path,
) -> None:
    (tmp_path / "mine").mkdir(mode=0o755)
    for name, said in (("none", "isn't there"), ("mine", "can't be written by the worker, user 10001")):
        (one,) = _found(_env(tmp_path), HFLOW_OUT=str(tmp_path / name))["out"]
        assert one.state == "absent"
        assert said in one.found
        assert one.remedy == f"sudo install --directory --owner 10001 --group 10001 {tmp_path / name}"


def test_an_old_driver_is_named(tmp_path: Path, programs: Path) -> None:
    _program(programs / "nvidia-smi", "echo 550.54.15")
    (one,) = _found(_env(tmp_path))["driver"]
    assert one.state == "fault"
    assert one.found == "550.54.15, older than 580"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"MINIO_PASSWORD": ""}, "MINIO_PASSWORD not set"),
        ({"MLFLOW_PASSWORD": "sEcret99"}, "MLFLOW_PASSWORD: not twelve"),
    ],
)
def test_a_setting_that_servers_would_refuse_is_named(tmp_path: Path, settings: dict[str, str], said: str) -> None:
    (one,) = _found(_env(tmp_path, **settings))["settings"]
    assert one.state == "fault"
    assert said in one.found


def test_ports_memory_and_disk_are_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        found = _found(_env(tmp_path), MLFLOW_PORT=str(taken.getsockname()[1]), MINIO_PORT="many")
    assert [one.found.split(" ", 1)[1] for one in found["port"] if one.state == "fault"] == [
        "(MLFLOW_PORT) is taken",
        "is many",
    ]
    for what in ("MEMORY", "DISK"):
        monkeypatch.setattr(preflight, what, 2**60)
        assert _found(_env(tmp_path))[what.lower()][0].state == "fault"


def test_it_runs_before_any_package_is_installed() -> None:
    bare = [sys.executable, "-I", "-S", "-c", "import sys; sys.path.insert(0, '.'); import deploy.preflight"]
    done = subprocess.run(bare, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
