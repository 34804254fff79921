"""`make up`: a Prefect server, an MLflow server and workers on this machine, on free loopback ports, until Ctrl-C."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import requests

from hflow.foundation.atomic_files import write_json
from hflow.foundation.errors import HflowError
from hflow.foundation.loopback import free_port
from hflow.foundation.params import load_params

__all__ = ["ADDRESSES", "read_addresses", "up"]

HOME = Path(".hflow/servers")
ADDRESSES = HOME / "addresses.json"
SECONDS_TO_START = 180.0
SECONDS_TO_END = 20.0


def read_addresses() -> dict[str, str]:
    """Where the servers of `make up` are, as environment variables; empty where it is not running."""
    try:
        said: dict[str, str] = json.loads(ADDRESSES.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    return said


def up() -> None:
    """Start everything, say where it is, and end all of it together: at Ctrl-C, SIGTERM, or when a server ends.

    A worker that ends is started again.

    Raises:
        HflowError: a part does not start, or a server ends by itself.
    """
    if read_addresses():
        raise HflowError(f"the servers are up already; if they are not, remove {ADDRESSES}")
    home = HOME.resolve()
    home.mkdir(parents=True, exist_ok=True)
    prefect, mlflow = free_port(), free_port()
    addresses = {
        "PREFECT_API_URL": f"http://127.0.0.1:{prefect}/api",
        "MLFLOW_TRACKING_URI": f"http://127.0.0.1:{mlflow}",
        "PREFECT_HOME": str(home / "prefect"),
    }
    store = ("--backend-store-uri", f"sqlite:///{Path('mlflow.db').resolve()}")
    # Plain files, not through the server: what it has is then there for commands without it too.
    artifacts = ("--no-serve-artifacts", "--default-artifact-root", Path("mlartifacts").resolve().as_uri())
    servers = {
        "prefect": ("prefect", "server", "start", "--host", "127.0.0.1", "--port", str(prefect)),
        "mlflow": (
            "mlflow",
            "server",
            "--host",
            "127.0.0.1",
            "--port",
            str(mlflow),
            "--workers",
            "1",
            *store,
            *artifacts,
        ),
    }
    workers = {
        f"worker-{pool}": ("prefect", "worker", "start", "--pool", pool, "--type", "process", "--limit", str(limit))
        for pool, limit in (("gpu", 1), ("cpu", 2))
    }
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with contextlib.ExitStack() as running:
        parts = {name: running.enter_context(_part(name, command, addresses)) for name, command in servers.items()}
        _wait_for(parts["prefect"], f"{addresses['PREFECT_API_URL']}/health", home / "prefect.log")
        _wait_for(parts["mlflow"], f"{addresses['MLFLOW_TRACKING_URI']}/health", home / "mlflow.log")
        for name, command in workers.items():
            # A worker clones the project below its folder, once, and works in that clone.
            parts[name] = running.enter_context(_part(name, command, addresses))
        running.callback(ADDRESSES.unlink, missing_ok=True)
        write_json(ADDRESSES, addresses)
        print(f"Prefect  http://127.0.0.1:{prefect}", f"MLflow   {_trainings(addresses)}", sep="\n")
        print(
            f"logs     {home.relative_to(Path.cwd())}/*.log", "`make deploy` registers the deployments; Ctrl-C ends all"
        )
        sys.stdout.flush()
        with contextlib.suppress(KeyboardInterrupt):
            while True:
                for name in [name for name, part in parts.items() if part.poll() is not None]:
                    if name in servers:
                        raise HflowError(f"{name} has ended, and so the rest was ended too: see {HOME / name}.log")
                    print(f"{name} has ended and is started again: see {HOME / name}.log", flush=True)
                    parts[name] = running.enter_context(_part(name, workers[name], addresses))
                time.sleep(1)


@contextlib.contextmanager
def _part(name: str, command: tuple[str, ...], addresses: Mapping[str, str]) -> Iterator["subprocess.Popen[bytes]"]:
    folder = HOME.resolve() / name
    folder.mkdir(exist_ok=True)
    quiet = {"PREFECT_SERVER_ANALYTICS_ENABLED": "false", "DO_NOT_TRACK": "1"}
    # The clone's own flows and packages come before those installed here.
    code = {"PYTHONPATH": str(folder / "project")} if name.startswith("worker") else {}
    with (HOME.resolve() / f"{name}.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", *command],
            cwd=folder,
            env={**os.environ, **quiet, **addresses, **code},
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(SECONDS_TO_END)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _trainings(addresses: Mapping[str, str]) -> str:
    """The page of MLflow's server that lists the project's trainings."""
    # MLflow takes seconds to import, and the servers are being waited for without it.
    from hflow.registry.run_link import trainings_page

    os.environ["MLFLOW_TRACKING_URI"] = addresses["MLFLOW_TRACKING_URI"]
    try:
        return trainings_page(load_params().tracking)
    except OSError:  # on a busy machine its first answer takes long, which is no reason to end the servers
        return addresses["MLFLOW_TRACKING_URI"]


def _wait_for(process: "subprocess.Popen[bytes]", url: str, log: Path) -> None:
    end = time.monotonic() + SECONDS_TO_START
    while process.poll() is None and time.monotonic() < end:
        with contextlib.suppress(requests.RequestException):
            if requests.get(url, timeout=5).ok:
                return
        time.sleep(0.3)
    raise HflowError(f"{url} does not answer: see {log}")


if __name__ == "__main__":
    try:
        up()
    except HflowError as error:
        sys.exit(f"hflow: {error}")
