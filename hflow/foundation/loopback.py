"""Servers on this machine: which port is free for one, and that no proxy leads to it."""

import os
import socket

__all__ = ["ask_loopback_directly", "free_port", "is_taken"]

LOOPBACK = ("127.0.0.1", "localhost", "::1")


def ask_loopback_directly() -> None:
    """Have this process, and those that it starts, ask servers on this machine without the proxy of HTTP_PROXY."""
    for name in ("NO_PROXY", "no_proxy"):
        there = [host for host in os.environ.get(name, "").split(",") if host]
        os.environ[name] = ",".join([*there, *(host for host in LOOPBACK if host not in there)])


def free_port() -> int:
    """A TCP port of the loopback address on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def is_taken(port: int) -> bool:
    """Whether something listens on a TCP port of the loopback address."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0
