"""Servers on this machine, to which no proxy leads."""

import os

__all__ = ["ask_loopback_directly"]

LOOPBACK = ("127.0.0.1", "localhost", "::1")


def ask_loopback_directly() -> None:
    """Have this process, and those that it starts, ask servers on this machine without the proxy of HTTP_PROXY."""
    for name in ("NO_PROXY", "no_proxy"):
        there = [host for host in os.environ.get(name, "").split(",") if host]
        os.environ[name] = ",".join([*there, *(host for host in LOOPBACK if host not in there)])
