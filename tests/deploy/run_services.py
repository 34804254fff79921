"""The services of deploy/compose.yaml on this machine, as a child of test_compose.py in a network of its own.

PostgreSQL is the one installed here, MinIO's place is taken by moto's server; the rest runs by the file's own commands.
"""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from tests.deploy.compose import COMPOSE, compose, finished, healthy, postgres_program, served

SETTINGS = {
    **dict.fromkeys(("POSTGRES_PASSWORD", "MINIO_PASSWORD", "PREFECT_PASSWORD", "MLFLOW_PASSWORD"), 3 * "sEcret99"),
    "MLFLOW_SECRET_KEY": 3 * "sEcret99",
    "HFLOW_REPOSITORY": "/nowhere",
}
NAMES = ("postgres", "minio", "prefect", "mlflow")


def main(folder: Path) -> None:
    hosts = folder / "hosts"
    hosts.write_text("".join(f"127.0.0.1 {name}\n" for name in ("localhost", *NAMES)))
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    subprocess.run(["mount", "--bind", str(hosts), "/etc/hosts"], check=True)
    services = compose(SETTINGS)["services"]
    places = {name: folder / name for name in services}
    for place in places.values():
        place.mkdir()
    with contextlib.ExitStack() as stack:
        stack.enter_context(_postgres(places["postgres"]))
        healthy(services["postgres"], places["postgres"])
        stack.enter_context(_store(places["minio"]))
        finished(services["buckets"], places["buckets"])
        running = {}
        for name in ("prefect", "mlflow"):
            running[name] = stack.enter_context(served(services[name], places[name]))
        for name, process in running.items():
            healthy(services[name], places[name], process)
        worker = stack.enter_context(served(services["worker"], places["worker"]))
        healthy(services["worker"], places["worker"], worker)
        os.environ.update(services["worker"]["environment"])
        print(json.dumps({"refused": _refused(), "pools": _pools(), "artifact": _artifact(folder)}))


@contextlib.contextmanager
def _postgres(place: Path) -> Iterator[None]:
    """PostgreSQL with the databases of deploy/databases.sql, as its image makes them."""
    shutil.chown(place, "postgres")
    data = place / "data"
    password = place / "password"
    password.write_text(SETTINGS["POSTGRES_PASSWORD"])
    password.chmod(0o644)
    _as_postgres("initdb", f"--pgdata={data}", "--username=hflow", "--auth=scram-sha-256", f"--pwfile={password}")
    log = f"--log={place / 'log.txt'}"
    _as_postgres("pg_ctl", "start", "--wait", f"--pgdata={data}", log, f"--options=-k {place}")
    try:
        databases = str(COMPOSE.parent / "databases.sql")
        asked = ["psql", "--host=127.0.0.1", "--username=hflow", "--dbname=postgres", f"--file={databases}"]
        subprocess.run(asked, env={**os.environ, "PGPASSWORD": SETTINGS["POSTGRES_PASSWORD"]}, check=True)
        yield
    finally:
        _as_postgres("pg_ctl", "stop", "--mode=fast", f"--pgdata={data}")


def _as_postgres(name: str, *arguments: str) -> None:
    program = postgres_program(name)
    assert program
    command = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", program, *arguments]
    subprocess.run(command, stdout=sys.stderr, check=True)


@contextlib.contextmanager
def _store(place: Path) -> Iterator[None]:
    with (place / "log.txt").open("ab") as log:
        process = subprocess.Popen([sys.executable, "-m", "moto.server", "-p9000"], stdout=log, stderr=log)
    try:
        while process.poll() is None:
            with contextlib.suppress(OSError), urllib.request.urlopen("http://minio:9000/moto-api/", timeout=5):
                break
            time.sleep(0.2)
        yield
    finally:
        process.terminate()
        process.wait(30)


def _refused() -> list[int]:
    """What Prefect and MLflow answer to those who have no password."""
    answers = []
    for url in (
        "http://prefect:4200/api/work_pools/gpu",
        "http://mlflow:5000/api/2.0/mlflow/experiments/get?experiment_id=0",
    ):
        try:
            with urllib.request.urlopen(url, timeout=20) as answer:
                answers.append(answer.status)
        except urllib.error.HTTPError as error:
            answers.append(error.code)
    return answers


def _pools() -> list[str]:
    """The work pools that Prefect has, once the worker has made its own."""
    from prefect.client.orchestration import get_client

    end = time.monotonic() + 60
    with get_client(sync_client=True) as client:
        while not (pools := client.read_work_pools()) and time.monotonic() < end:
            time.sleep(0.5)
    return [pool.name for pool in pools]


def _artifact(folder: Path) -> list[str]:
    """A run in MLflow with a file, and where the store then has it."""
    import mlflow
    import s3fs

    file = folder / "sheet.txt"
    file.write_text("before and after")
    with mlflow.start_run():
        mlflow.log_metric("mIoU", 0.5)
        mlflow.log_artifact(str(file))
    found: list[str] = s3fs.S3FileSystem().glob("mlflow/**/sheet.txt")
    return found


if __name__ == "__main__":
    main(Path(sys.argv[1]))
