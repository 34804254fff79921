"""Machines of a network, as namespaces of this one, which can be cut off from it; for tests."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

__all__ = ["Hosts", "can_make_hosts", "hosts"]

NETWORK = f"198.18.{os.getpid() % 256}"
"""Of the range for tests of networks (RFC 2544), which no machine of the world has."""
DEVICE = f"hf{os.getpid()}"
"""This process's own plug."""


def can_make_hosts() -> bool:
    """Whether this process may make network namespaces."""
    if os.getuid() != 0 or shutil.which("ip") is None:
        return False
    name = f"hflow-try-{os.getpid()}"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, check=False).returncode == 0
    if made:
        _ip("netns", "delete", name)
    return made


class Hosts:
    """Machines with an address each, on one switch; this process is on it too.

    Attributes:
        processes: what was started, by host.
    """

    def __init__(self, logs: Path):
        self._logs = logs
        self._names: list[str] = []
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    @property
    def _switch(self) -> str:
        return f"hflow-{os.getpid()}"

    def address(self, host: str) -> str:
        """The IP address of a host."""
        return f"{NETWORK}.{self._names.index(host) + 2}"

    def add(self, host: str) -> None:
        """A new machine on the switch."""
        self._names.append(host)
        space, number = self._space(host), len(self._names)
        _ip("netns", "add", space)
        _ip("link", "add", f"hf{number}", "netns", self._switch, "type", "veth", "peer", "eth0", "netns", space)
        _ip("-n", self._switch, "link", "set", f"hf{number}", "master", "bridge", "up")
        _ip("-n", space, "address", "add", f"{self.address(host)}/24", "dev", "eth0")
        for device in ("lo", "eth0"):
            _ip("-n", space, "link", "set", device, "up")

    def start(self, host: str, *arguments: str) -> None:
        """Run this Python with arguments on a host, in a process group of its own, until the end."""
        command = ["ip", "netns", "exec", self._space(host), sys.executable, *arguments]
        with (self._logs / f"{host}.log").open("ab") as log:
            self.processes[host] = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)

    def signal(self, host: str, number: signal.Signals) -> None:
        """Send a signal to all that runs on a host."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.processes[host].pid, number)

    def cut_off(self, host: str) -> None:
        """Pull the plug of a host's network: nothing is closed, and nothing arrives any more."""
        _ip("-n", self._switch, "link", "set", f"hf{self._names.index(host) + 1}", "down")

    def _space(self, host: str) -> str:
        return f"{self._switch}-{host}"

    def _open(self) -> None:
        _ip("netns", "add", self._switch)
        _ip("-n", self._switch, "link", "add", "bridge", "type", "bridge")
        _ip("-n", self._switch, "link", "set", "bridge", "up")
        _ip("link", "add", DEVICE, "type", "veth", "peer", "hf0", "netns", self._switch)
        _ip("-n", self._switch, "link", "set", "hf0", "master", "bridge", "up")
        _ip("address", "add", f"{NETWORK}.1/24", "dev", DEVICE)
        _ip("link", "set", DEVICE, "up")

    def _close(self) -> None:
        for host, process in self.processes.items():
            self.signal(host, signal.SIGKILL)
            process.wait(30)
        # At once, while a namespace goes when the kernel gets to it.
        subprocess.run(["ip", "link", "delete", DEVICE], capture_output=True, check=False)
        for space in (*map(self._space, self._names), self._switch):
            subprocess.run(["ip", "netns", "delete", space], capture_output=True, check=False)


@contextlib.contextmanager
def hosts(logs: Path, *names: str) -> Iterator[Hosts]:
    """Machines of these names; all that runs on them, and they, are gone afterwards.

    Args:
        logs: the folder of what runs there says.
    """
    made = Hosts(logs)
    try:
        made._open()
        for name in names:
            made.add(name)
        yield made
    finally:
        made._close()


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)
