"""deploy/: an image and services that are what they say, and whose commands run."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from flows.deploy import DATASETS, FRAMES
from tests.deploy.compose import COMPOSE, VARIABLE, compose, postgres_program
from tests.deploy.run_services import SETTINGS
from tests.hosts import can_make_hosts

ROOT = COMPOSE.parents[1]
DOCKERFILE = ROOT / "deploy/Dockerfile"
SERVICES = compose(SETTINGS)["services"]


def test_the_linter_of_dockerfiles_has_nothing_to_say() -> None:
    hadolint = shutil.which("hadolint")
    if hadolint is None:
        pytest.skip("needs hadolint")
    done = subprocess.run([hadolint, str(DOCKERFILE)], capture_output=True, text=True, check=False)
    assert not done.stdout
    assert done.returncode == 0


def test_the_image_runs_hflow_as_nobody_in_particular_and_holds_what_the_build_copies() -> None:
    text = DOCKERFILE.read_text()
    assert re.findall(r"^ENTRYPOINT (.*)", text, re.MULTILINE) == ['["hflow"]']
    assert re.findall(r"^USER (.*)", text, re.MULTILINE) == ["10001:10001"]
    assert re.search(r"^ARG BASE=nvidia/cuda:[\d.]+-base-\w+[\d.]+$", text, re.MULTILINE)
    copied = {name for line in re.findall(r"^COPY (?!--)(.*) \S+$", text, re.MULTILINE) for name in line.split()}
    allowed = {line[1:] for line in Path(f"{DOCKERFILE}.dockerignore").read_text().split() if line.startswith("!")}
    assert copied == allowed
    assert all((ROOT / name).exists() for name in copied)
    (extras,) = re.findall(r'"\.\[(.*)\]"', text)
    known = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert set(extras.split(",")) <= set(known)


def test_compose_knows_all_of_the_file() -> None:
    specification = pytest.importorskip("compose_spec").PyCompose
    given = compose(SETTINGS)
    specification.from_json(json.dumps(given)).validate()
    given["services"]["mlflow"]["helthcheck"] = {}
    with pytest.raises(ValueError, match="helthcheck"):
        specification.from_json(json.dumps(given)).validate()


def test_every_variable_can_be_set_and_every_password_must_be() -> None:
    example = re.findall(r"^(\w+)=", (ROOT / "deploy/env.example").read_text(), re.MULTILINE)
    used = {name for name, *_ in VARIABLE.findall(COMPOSE.read_text())}
    assert used == set(example)
    for name in SETTINGS:
        with pytest.raises(KeyError, match=r"fill in deploy/\.env"):
            compose({**SETTINGS, name: ""})


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_has_a_version_a_check_of_health_and_no_more_rights_than_it_needs(name: str) -> None:
    service = SERVICES[name]
    assert re.fullmatch(r"[\w./-]+:[\w.-]*\d[\w.-]*", service["image"])
    assert "no-new-privileges:true" in service["security_opt"]
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
    assert "healthcheck" in service or name in ("buckets", "deploy")
    if service["image"].startswith("hflow:"):
        assert service["read_only"]
        assert service["cap_drop"] == ["ALL"]
    for other, needed in service.get("depends_on", {}).items():
        ends = needed["condition"] == "service_completed_successfully"
        assert ends or "healthcheck" in SERVICES[other]


def test_datasets_lie_where_the_host_sees_them_and_every_champion_may_make_one() -> None:
    given = {"HFLOW_DATA": "/frames", "HFLOW_OUT": "/out", "HFLOW_FRAMES": "/frames/a", "HFLOW_DATASETS": "/out/b"}
    services = compose({**SETTINGS, **given})["services"]
    assert {"/frames:/frames:ro", "/out:/out"} <= set(services["worker"]["volumes"])
    handed = services["deploy"]["environment"]
    assert (handed[FRAMES], handed[DATASETS]) == ("/frames/a", "/out/b")
    assert not SERVICES["deploy"]["environment"][DATASETS]


def test_the_image_has_one_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert {service["image"] for service in SERVICES.values() if service["image"].startswith("hflow:")} == {
        f"hflow:{project['version']}"
    }


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """One that PostgreSQL's user may enter, of a short name for its socket."""
    with tempfile.TemporaryDirectory(prefix="compose", dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.mark.end_to_end
@pytest.mark.skipif("HFLOW_TEST_COMPOSE" not in os.environ, reason="takes two minutes: `make test-compose`")
@pytest.mark.skipif(
    not (can_make_hosts() and postgres_program("initdb") and shutil.which("setpriv")),
    reason="needs root, network namespaces and PostgreSQL",
)
def test_the_services_commands_run_and_find_each_other(short_folder: Path) -> None:
    pytest.importorskip("psycopg")
    command = ["unshare", "--net", "--mount", sys.executable, "-m", "tests.deploy.run_services", str(short_folder)]
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{os.environ.get('PYTHONPATH', '')}"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    said = json.loads(done.stdout.splitlines()[-1])
    assert said["refused"] == [401, 401]
    assert said["pools"] == ["gpu"]
    assert len(said["artifact"]) == 1
