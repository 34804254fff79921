"""Dask clusters that lose what they are made of, for tests."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.servers import free_port

__all__ = ["cluster_of_commands", "cluster_that_gives_up"]


@contextlib.contextmanager
def cluster_that_gives_up(work: Path) -> Iterator[str]:
    """A cluster that gives a shard up when one worker, not four, is lost over it, and loses one; gives its address."""
    import dask
    import distributed

    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 0}),
        distributed.LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        client.register_plugin(_killer(work, work / "killed"))
        yield cluster.scheduler_address


@contextlib.contextmanager
def cluster_of_commands(dies_at: Path | None = None, *, config: Path | None = None) -> Iterator[str]:
    """`dask scheduler` and `dask worker`, with TLS where a file of Dask's settings is given.

    The scheduler is killed within a shard once one is finished in `dies_at`.
    """
    from distributed import Client

    address = f"{'tls' if config else 'tcp'}://127.0.0.1:{free_port()}"
    environment = {**os.environ, **({"DASK_CONFIG": str(config)} if config else {})}
    scheduler = _dask(environment, "scheduler", "--host", address)
    worker = _dask(environment, "worker", address, "--nthreads", "1", "--no-dashboard")
    try:
        with Client(address, timeout="300s") as client:
            client.wait_for_workers(1, timeout=300)
            if dies_at:
                client.register_plugin(_killer(dies_at, dies_at / "killed", scheduler.pid))
        yield address
    finally:
        for process in (worker, scheduler):
            process.terminate()
            process.wait(60)


def _dask(environment: Mapping[str, str], *arguments: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "dask", *arguments]
    return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _killer(work: Path, noted: Path, victim: int | None = None) -> Any:
    """What has a worker kill -9 a process, or itself, once, within a shard when another is finished in `work`."""
    from distributed import WorkerPlugin

    class Killer(WorkerPlugin):  # inside, so that workers needn't import this file
        def transition(self, key: str, _: str, finish: str, **__: Any) -> None:
            if finish == "executing" and "translate" in str(key) and list(work.glob("*.json")) and not noted.exists():
                noted.touch()
                os.kill(victim or os.getpid(), signal.SIGKILL)

    return Killer()
