"""`make preflight`: what a machine lacks for deploy/compose.yaml, and what to do. Needs Python and no package."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from hflow.foundation.findings import Finding, print_findings
from hflow.foundation.free_disk import free_disk
from hflow.foundation.gpu_driver import driver_version
from hflow.foundation.loopback import is_taken

__all__ = ["findings", "read_env"]

FOLDER = Path(os.path.relpath(Path(__file__).parent))
ENV = FOLDER / ".env"
GIB = 2**30
MEMORY = 12 * GIB
"""8 for a training of the default's size with its loading processes, 4 for the servers."""
DISK = 40 * GIB
"""The images, what they are built from, and a start for the volumes."""
DRIVER = 580
"""The oldest driver of the CUDA 13.0 that deploy/Dockerfile and torch hold."""
COMPOSE = (2, 24)
USER = 10001
"""Of the image."""
PORTS = {"PREFECT_PORT": 4200, "MLFLOW_PORT": 5000, "MINIO_PORT": 9000}


def findings(environment: Mapping[str, str], env_file: Path = ENV) -> Iterator[Finding]:
    """What is there of all that compose.yaml needs.

    Args:
        environment: of this process; what is set there comes before the file, as in Compose itself.
        env_file: deploy/.env.
    """
    settings = {**read_env(env_file), **environment}
    yield _settings(settings, env_file)
    yield _data(settings)
    yield _out(settings)
    yield _driver()
    yield from _docker()
    yield _room("memory", _free_memory(), MEMORY, "end other programs, or take a larger machine")
    root = _said("docker", "info", "--format", "{{.DockerRootDir}}") or "/var/lib/docker"
    yield _room("disk", free_disk(Path(root)), DISK, f"make room where {root} lies (`docker system prune`)")
    for name, default in PORTS.items():
        yield _port(name, settings.get(name) or str(default))


def read_env(file: Path) -> dict[str, str]:
    """The variables of a file of NAME=VALUE lines; none where it is missing."""
    if not file.is_file():
        return {}
    lines = (line.strip() for line in file.read_text(encoding="utf-8").splitlines())
    pairs = (line.partition("=") for line in lines if line and not line.startswith("#"))
    return {name.strip(): value.strip().strip("'\"") for name, _, value in pairs}


def _settings(settings: Mapping[str, str], env_file: Path) -> Finding:
    needed = set(re.findall(r"\$\{(\w+):\?", (FOLDER / "compose.yaml").read_text(encoding="utf-8")))
    missing = sorted(name for name in needed if not settings.get(name))
    if missing and not env_file.is_file():
        return Finding("settings", "fault", f"{env_file} is missing", f"cp {FOLDER}/env.example {env_file}; fill it in")
    if missing:
        return Finding("settings", "fault", f"{', '.join(missing)} not set", f"fill in {env_file}")
    odd = sorted(
        name for name in needed if name.endswith("PASSWORD") and not re.fullmatch("[A-Za-z0-9]{12,}", settings[name])
    )
    if odd:
        said = f"{', '.join(odd)}: not twelve letters and digits or more"
        return Finding("settings", "fault", said, "openssl rand -hex 24")
    if env_file.is_file() and env_file.stat().st_mode & 0o077:
        return Finding("settings", "absent", f"{env_file} can be read by others", f"chmod 600 {env_file}")
    return Finding("settings", "ok", "all are set")


def _data(settings: Mapping[str, str]) -> Finding:
    folder = settings.get("HFLOW_DATA") or "/srv/hflow/data"
    if Path(folder).is_dir():
        return Finding("data", "ok", folder)
    return Finding("data", "absent", f"{folder} isn't there", "the default's town needs none; else set HFLOW_DATA")


def _out(settings: Mapping[str, str]) -> Finding:
    folder = settings.get("HFLOW_OUT") or "/srv/hflow/out"
    remedy = f"sudo install --directory --owner {USER} --group {USER} {folder}"
    if not Path(folder).is_dir():
        return Finding("out", "absent", f"{folder} isn't there: translated folders go to a store alone", remedy)
    status = Path(folder).stat()
    if status.st_uid != USER and not status.st_mode & 0o002:
        return Finding("out", "absent", f"{folder} can't be written by the worker, user {USER}", remedy)
    return Finding("out", "ok", folder)


def _driver() -> Finding:
    version = driver_version()
    if not version:
        remedy = f"install NVIDIA's driver, {DRIVER} or newer; without a GPU remove the worker's `deploy` section"
        return Finding("driver", "fault", "nvidia-smi is not there, or finds no GPU", remedy)
    if int(version.partition(".")[0]) < DRIVER:
        return Finding("driver", "fault", f"{version}, older than {DRIVER}", f"install a driver {DRIVER} or newer")
    return Finding("driver", "ok", version)


def _docker() -> Iterator[Finding]:
    if shutil.which("docker") is None:
        yield Finding("Docker", "fault", "no `docker`", "install Docker Engine: docs.docker.com/engine/install")
        return
    engine = _said("docker", "version", "--format", "{{.Server.Version}}")
    if not engine:
        remedy = "start it (`systemctl start docker`), or join its group (`usermod --append --groups docker $USER`)"
        yield Finding("Docker", "fault", "the engine does not answer", remedy)
    else:
        yield Finding("Docker", "ok", f"engine {engine}")
    compose = _said("docker", "compose", "version", "--short").lstrip("v")
    if tuple(int(part) for part in re.findall(r"\d+", compose)[:2]) >= COMPOSE:
        yield Finding("Compose", "ok", compose)
    else:
        remedy = "install docker-compose-plugin"
        yield Finding("Compose", "fault", f"{compose or 'none'}, needed is {COMPOSE[0]}.{COMPOSE[1]}", remedy)
    runtimes = _said("docker", "info", "--format", "{{json .Runtimes}}")
    if engine and "nvidia" in (json.loads(runtimes) if runtimes else {}):
        yield Finding("GPU runtime", "ok", "nvidia")
    else:
        remedy = "install nvidia-container-toolkit; nvidia-ctk runtime configure --runtime=docker; restart Docker"
        yield Finding("GPU runtime", "fault", "Docker knows no runtime `nvidia`", remedy)


def _room(what: str, free: int, wanted: int, remedy: str) -> Finding:
    if free >= wanted:
        return Finding(what, "ok", f"{free / GIB:.1f} GiB free")
    return Finding(what, "fault", f"{free / GIB:.1f} GiB free, {wanted / GIB:.0f} are needed", remedy)


def _free_memory() -> int:
    """Bytes that the system can still give."""
    found = re.search(r"^MemAvailable: +(\d+) kB$", Path("/proc/meminfo").read_text(encoding="ascii"), re.MULTILINE)
    return int(found.group(1)) * 1024 if found else 0


def _port(name: str, value: str) -> Finding:
    if not value.isdigit() or not 0 < int(value) < 2**16:
        return Finding("port", "fault", f"{name} is {value}", f"set it to a number from 1 to 65535 in {ENV}")
    if is_taken(int(value)):
        return Finding("port", "fault", f"{value} ({name}) is taken", f"end what listens there, or set {name} in {ENV}")
    return Finding("port", "ok", f"{value} ({name}) is free")


def _said(*command: str) -> str:
    """What a command prints; "" where it fails, is missing or takes half a minute."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


if __name__ == "__main__":
    faults = print_findings(findings(os.environ))
    if faults:
        sys.exit(f"hflow: to be mended before `docker compose up`: {', '.join(dict.fromkeys(faults))}")
