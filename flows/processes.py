"""Child processes that end with the flow run that started them, whatever ends it."""

import contextlib
import itertools
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence

import psutil

__all__ = ["end_with_worker", "run_command", "started"]

# Leads a process group of its own. Its input ends with the process that started it, however that ends: then it asks
# the whole group to end, and after the seconds of its first argument makes it.
GUARD = """
patience=$1
shift
{ cat > /dev/null; trap '' TERM; kill -s TERM -- -$$; sleep "$patience"; kill -s KILL -- -$$; } &
"$@" < /dev/null
code=$?
trap '' TERM
kill -s KILL $! 2> /dev/null
exit $code
"""
SECONDS_TO_END = 20.0


def run_command(command: Sequence[str], environment: Mapping[str, str] | None = None) -> int:
    """Run a command to its end and give its exit status; what it starts ends with this process.

    An exception here, as a cancelled run or a timeout raises it, ends the command and all that it has started before it
    goes on.
    """
    with started(command, {**os.environ, **(environment or {})}) as process:
        return process.wait()


@contextlib.contextmanager
def started(
    command: Sequence[str], environment: Mapping[str, str], output: int | None = None
) -> Iterator["subprocess.Popen[bytes]"]:
    """A command that runs while the context lasts, out of the terminal's reach; it ends with this process too.

    Args:
        command: the program and its arguments.
        environment: all of its variables.
        output: where its output and its errors go, as of `subprocess`; None leaves them where this process's go.
    """
    process = subprocess.Popen(
        ["sh", "-c", f"exec 3<&0; {GUARD.replace('cat >', 'cat <&3 >')}", "sh", str(SECONDS_TO_END), *command],
        stdin=subprocess.PIPE,
        stdout=output,
        stderr=output,
        env=dict(environment),
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            _end_group(process)
        assert process.stdin is not None
        process.stdin.close()


def end_with_worker() -> None:
    """End this process as a cancelled one ends when the Prefect worker above it, or one between, is gone."""
    chain = _up_to_worker()

    def watch() -> None:
        while all(_is_child(child, parent) for child, parent in itertools.pairwise(chain)):
            time.sleep(1)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()


def _up_to_worker() -> list[psutil.Process]:
    """This process and those above it, up to the worker; without a worker above it, its parent alone."""
    this = psutil.Process()
    above = this.parents()
    for number, process in enumerate(above, start=1):
        if "worker" in process.cmdline():
            return [this, *above[:number]]
    return [this, *above[:1]]


def _is_child(child: psutil.Process, parent: psutil.Process) -> bool:
    try:
        return child.ppid() == parent.pid
    except psutil.NoSuchProcess:
        return False


def _end_group(process: "subprocess.Popen[bytes]") -> None:
    """Ask the process group to end, and make it if it takes too long."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
        end = time.monotonic() + SECONDS_TO_END
        while time.monotonic() < end:
            process.poll()
            os.killpg(process.pid, 0)
            time.sleep(0.1)
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
