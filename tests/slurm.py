"""Slurm itself on this machine, in a folder, with one node of made-up GPUs; for tests."""

import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from tests.servers import free_port

__all__ = ["has_slurm", "slurm"]

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "scancel", "sinfo", "squeue")
SECONDS_TO_START = 60

CONF = """
ClusterName=hflow
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller}
SlurmdPort={node}
AuthType=auth/munge
AuthInfo=socket={home}/munge.socket
CryptoType=crypto/munge
SlurmUser=root
SlurmdUser=root
StateSaveLocation={home}/state
SlurmdSpoolDir={home}/spool
SlurmctldPidFile={home}/slurmctld.pid
SlurmdPidFile={home}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
SchedulerParameters=sched_interval=1,sched_min_interval=0
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SlurmdParameters=config_overrides
GresTypes=gpu
KillWait=1
ReturnToService=2
NodeName={host} NodeAddr=127.0.0.1 CPUs=12 RealMemory=64000 Gres=gpu:a100:2
PartitionName=gpu Nodes={host} Default=YES State=UP
"""


def has_slurm() -> bool:
    """Whether Slurm is installed and may be started."""
    path = f"{os.environ['PATH']}:/usr/sbin"
    return os.getuid() == 0 and all(shutil.which(program, path=path) for program in PROGRAMS)


@contextlib.contextmanager
def slurm(home: Path) -> Iterator[dict[str, str]]:
    """A controller and a node; gives the environment in which Slurm's commands ask them.

    Args:
        home: a folder of a short name, for the sockets in it.
    """
    host = socket.gethostname().partition(".")[0]
    (home / "state").mkdir(parents=True)
    (home / "spool").mkdir()
    conf = home / "slurm.conf"
    conf.write_text(CONF.format(host=host, home=home, controller=free_port(), node=free_port()))
    (home / "gres.conf").write_text(f"NodeName={host} Name=gpu Type=a100 File=/dev/null,/dev/zero\n")
    key = home / "munge.key"
    key.write_bytes(os.urandom(128))
    key.chmod(0o400)
    environment = {**os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin", "SLURM_CONF": str(conf)}
    files = {name: str(home / f"munge.{name}") for name in ("socket", "pid", "log", "seed")}
    munged = ["munged", "--foreground", "--force", f"--key-file={key}", f"--socket={files['socket']}"]
    munged += [f"--{name}-file={files[name]}" for name in ("pid", "log", "seed")]
    with contextlib.ExitStack() as stack:
        for command in (munged, ["slurmctld", "-D"], ["slurmd", "-D", "-N", host]):
            stack.enter_context(_running(command, environment, home))
        end = time.monotonic() + SECONDS_TO_START
        while "idle" not in _output(["sinfo", "--noheader", "--format=%t"], environment):
            if time.monotonic() > end:
                raise TimeoutError(f"Slurm does not start: {sorted(home.glob('*.out'))}")
            time.sleep(0.2)
        yield environment
        subprocess.run(["scancel", "--user=root"], env=environment, check=False)


@contextlib.contextmanager
def _running(command: list[str], environment: dict[str, str], home: Path) -> Iterator[None]:
    with (home / f"{command[0]}.out").open("wb") as out:
        process = subprocess.Popen(command, env=environment, stdout=out, stderr=out)
        try:
            yield
        finally:
            process.terminate()
            process.wait(30)


def _output(command: list[str], environment: dict[str, str]) -> str:
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False).stdout
