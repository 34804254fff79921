"""deploy/compose.yaml as Compose reads it, and its services run by their own commands without containers."""

import contextlib
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

__all__ = ["COMPOSE", "VARIABLE", "compose", "finished", "healthy", "postgres_program", "served"]

COMPOSE = Path(__file__).parents[2] / "deploy/compose.yaml"
VARIABLE = re.compile(r"(?<!\$)\$\{(\w+)(?::([-?])([^{}]*))?\}")
SECONDS_TO_START = 180


def compose(settings: Mapping[str, str]) -> dict[str, Any]:
    """The file with its variables filled in."""

    def value(found: re.Match[str]) -> str:
        name, kind, rest = found.groups()
        given = settings.get(name, "")
        if not given and kind == "?":
            raise KeyError(f"{name}: {rest}")
        return given or (rest if kind == "-" else "")

    whole: dict[str, Any] = yaml.safe_load(VARIABLE.sub(value, COMPOSE.read_text(encoding="utf-8")))
    return whole


def postgres_program(name: str) -> str | None:
    """The path of one of PostgreSQL's programs."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return str(found[-1]) if found else None


@contextlib.contextmanager
def served(service: Mapping[str, Any], place: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A service's own command, in this Python's environment, in a folder in place of the container's."""
    with (place / "log.txt").open("ab") as log:
        process = subprocess.Popen(
            _command(service), cwd=place, env=_environment(service, place), stdout=log, stderr=log
        )
    try:
        yield process
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(30)
        process.kill()


def finished(service: Mapping[str, Any], place: Path) -> None:
    """Run a service that ends."""
    subprocess.run(_command(service), cwd=place, env=_environment(service, place), check=True)


def healthy(service: Mapping[str, Any], place: Path, process: subprocess.Popen[bytes] | None = None) -> None:
    """Wait until its own check of health finds a service well."""
    kind, *check = service["healthcheck"]["test"]
    assert kind == "CMD"
    end = time.monotonic() + SECONDS_TO_START
    while subprocess.run(check, env=_environment(service, place), capture_output=True, check=False).returncode:
        if time.monotonic() > end or (process and process.poll() is not None):
            log = place / "log.txt"
            raise TimeoutError(f"{check} fails: {log.read_text()[-3000:] if log.exists() else ''}")
        time.sleep(0.3)


def _command(service: Mapping[str, Any]) -> list[str]:
    return [word.replace("$$", "$") for word in (*service["entrypoint"], *service["command"])]


def _environment(service: Mapping[str, Any], place: Path) -> dict[str, str]:
    """That of the container; its own folders are below `place`."""
    here = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "PYTHONPATH": os.environ["PYTHONPATH"]}
    own = {name: re.sub(r"^/(tmp|work)\b", str(place), str(value)) for name, value in service["environment"].items()}
    return {"LANG": "C.UTF-8"} | own | here
