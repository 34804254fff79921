"""Machines of a cluster that vanish from the network: the same bytes, nothing lost, and a lost scheduler is named."""

import contextlib
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hflow.foundation.errors import HflowError
from hflow.translation.plan import Plan
from tests.conftest import Project
from tests.hosts import Hosts, can_make_hosts, hosts
from tests.translation.engines.running import run

pytestmark = [
    pytest.mark.end_to_end,
    pytest.mark.skipif(not can_make_hosts(), reason="needs root and network namespaces"),
]
LEAST_TIMEOUT = "11s"
"""After so long Dask takes silence for a lost connection; it knows no less, and has 30 s by default."""


@contextlib.contextmanager
def _cluster(logs: Path, *workers: str) -> Iterator[tuple[Hosts, str]]:
    """A scheduler and workers on machines of their own, and the scheduler's address."""
    distributed = pytest.importorskip("distributed")
    with hosts(logs, "scheduler", *workers) as made:
        address = f"tcp://{made.address('scheduler')}:8786"
        made.start("scheduler", "-m", "dask", "scheduler", "--host", address, "--no-dashboard")
        for name in workers:
            made.start(name, "-m", "dask", "worker", address, "--nthreads", "1", "--no-dashboard", "--name", name)
        with distributed.Client(address, timeout="120s") as client:
            client.wait_for_workers(len(workers), timeout=120)
        yield made, address


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    pytest.importorskip("distributed")  # brings defaults of its own into Dask's settings
    dask = pytest.importorskip("dask")
    monkeypatch.setenv("DASK_DISTRIBUTED__COMM__TIMEOUTS__TCP", LEAST_TIMEOUT)
    with dask.config.set({"distributed.comm.timeouts.tcp": LEAST_TIMEOUT}):
        yield


def test_a_worker_cut_off_and_one_killed_cost_no_frame_and_no_byte(
    project: Project, model_folder: Path, expected: dict[str, bytes], tmp_path: Path
) -> None:
    with _cluster(tmp_path, "one", "two", "three") as (made, address):

        def lose_two(_: Plan) -> None:
            _wait_for_a_shard(tmp_path / "work")
            made.cut_off("one")
            made.signal("two", signal.SIGKILL)

        assert run(project, model_folder, tmp_path, lose_two, engine="dask", scheduler=address) == expected


def test_a_scheduler_whose_machine_vanishes_is_named_and_what_is_finished_is_kept(
    project: Project, model_folder: Path, expected: dict[str, bytes], tmp_path: Path
) -> None:
    with _cluster(tmp_path, "one") as (made, address):

        def lose_it(_: Plan) -> None:
            _wait_for_a_shard(tmp_path / "work")
            made.cut_off("scheduler")

        began = time.monotonic()
        with pytest.raises(HflowError, match=f"scheduler at {address} was lost.*run the same command again"):
            run(project, model_folder, tmp_path, lose_it, engine="dask", scheduler=address)
        assert time.monotonic() - began < 60
    finished = {file: file.with_suffix("").stat().st_mtime_ns for file in (tmp_path / "work").glob("*.json")}
    assert finished
    assert run(project, model_folder, tmp_path) == expected
    assert all(file.with_suffix("").stat().st_mtime_ns == written for file, written in finished.items())


def _wait_for_a_shard(work: Path) -> None:
    while not list(work.glob("*.json")):
        time.sleep(0.02)
