"""A run that is stopped, or whose server is lost, ends in seconds and says what became of it."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from prefect import Flow
from prefect.client.orchestration import SyncPrefectClient

from flows.child_runs import for_children
from hflow.foundation.errors import HflowError
from tests.databases import Databases
from tests.servers import free_port, served

STOPPED = "hflow: stopped; what is finished is kept, and the same command goes on from there"

Runs = dict[str, tuple["subprocess.Popen[str]", Path]]

FLOW = """
import sys, time
from pathlib import Path
from flows.stage import publish_table, run_as_command, stage_flow

@stage_flow
def wait(place: Path):
    Path(place, "begun").touch()
    while not Path(place, "go").exists():
        time.sleep(0.1)
    Path(place, "done").touch()
    publish_table("wait", {"done": 1}, "a table")
    return {"done": 1}

run_as_command(wait, place=sys.argv[1])
"""


def _start(databases: Databases, place: Path, **settings: str) -> "subprocess.Popen[str]":
    """The flow in a process group of its own, as a terminal starts it."""
    environment = {name: value for name, value in os.environ.items() if name != "PREFECT_API_URL"}
    environment |= {
        "PREFECT_HOME": str(databases.prefect(place / "prefect")),
        "PREFECT_CLIENT_MAX_RETRIES": "0",
        **settings,
    }
    process = subprocess.Popen(
        [sys.executable, "-c", FLOW, str(place)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # What a shell starts in the background ignores Ctrl-C, and so would all below it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    end = time.monotonic() + 240
    while not (place / "begun").exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.1)
    return process


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_run_ends_in_one_line_and_is_cancelled(
    number: signal.Signals, databases: Databases, tmp_path: Path
) -> None:
    process = _start(databases, tmp_path)
    stopped = time.monotonic()
    if number == signal.SIGINT:
        os.killpg(process.pid, number)
    else:
        process.send_signal(number)
    out, err = process.communicate(timeout=120)
    assert time.monotonic() - stopped < 30
    assert process.returncode == 130
    assert out == ""
    assert "Beginning flow run" in err
    assert not any(said in err for said in ("Finished", "Traceback"))
    assert err.splitlines()[-1] == STOPPED
    with closing(sqlite3.connect(tmp_path / "prefect/prefect.db")) as database:
        assert database.execute("SELECT state_type FROM flow_run").fetchall() == [("CANCELLED",)]
    assert not (tmp_path / "done").exists()


@pytest.fixture(scope="module")
def left(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    """Two runs whose server is gone since they began, and a stage of a third that was stopped before; their folders."""
    home, url = tmp_path_factory.mktemp("server"), f"http://127.0.0.1:{free_port()}/api"
    command = ("prefect", "server", "start", "--no-ui", "--port", url.removesuffix("/api").rpartition(":")[2])
    settings = {"PREFECT_HOME": str(databases.prefect(home))}
    runs: Runs = {}
    try:
        with served(*command, url=f"{url}/health", log=home / "log", environment=settings, seconds=240):
            for name in ("goes on", "is stopped"):
                place = tmp_path_factory.mktemp("run")
                runs[name] = _start(databases, place, PREFECT_API_URL=url), place
            with SyncPrefectClient(url) as client:
                above = client.create_flow_run(Flow(lambda: None, name="above"))
            place = tmp_path_factory.mktemp("run")
            stage = _start(databases, place, PREFECT_API_URL=url, HFLOW_PARENT_RUN=str(above.id))
            runs["a stage"] = stage, place
            stage.send_signal(signal.SIGTERM)
            stage.wait(120)
        with pytest.raises(httpx.HTTPError):
            httpx.get(f"{url}/health")
        yield runs
    finally:
        for process, _ in runs.values():
            process.kill()
            process.wait()


def test_a_stage_leaves_it_to_the_run_above_it_to_say_that_it_was_stopped(left: Runs) -> None:
    """Else each run on the way up would say so."""
    out, err = left["a stage"][0].communicate(timeout=120)
    assert left["a stage"][0].returncode == 130
    assert out == ""
    assert "Beginning subflow run" in err
    assert not any(said in err for said in ("hflow:", "Finished", "Traceback"))


def test_a_stage_finishes_without_the_server_that_it_began_with(left: Runs) -> None:
    process, place = left["goes on"]
    (place / "go").touch()
    _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert "hflow: the Prefect server was lost" in err
    assert "Error logging to API" not in err
    assert (place / "done").exists()


def test_the_whole_pipeline_without_a_server_says_to_run_it_again() -> None:
    with pytest.raises(HflowError, match="run the same command again"):
        for_children()


def test_a_run_that_is_stopped_after_its_server_is_lost_does_not_go_on(left: Runs) -> None:
    process, place = left["is stopped"]
    process.send_signal(signal.SIGTERM)
    (place / "begun").unlink()
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.splitlines()[-1] == STOPPED
    assert not (place / "begun").exists()


def test_a_server_that_is_named_and_away_is_one_line(tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}/api"
    environment = {**os.environ, "PREFECT_API_URL": url, "PREFECT_HOME": str(tmp_path)}
    environment |= {"HTTP_PROXY": "http://127.0.0.1:9", "http_proxy": "http://127.0.0.1:9"}
    done = subprocess.run(
        [sys.executable, "-c", FLOW, str(tmp_path)], env=environment, capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        f"hflow: no Prefect server answers at {url}: start it, or unset PREFECT_API_URL"
    ]
