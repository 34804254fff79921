"""Processes that end with the one that started them."""

import contextlib
import os
import threading
from multiprocessing.connection import Connection

__all__ = ["end_with"]


def end_with(lifeline: Connection) -> None:
    """End this process when the other end of a pipe is closed, be it since the process that had it was killed."""

    def watch() -> None:
        with contextlib.suppress(EOFError, OSError):
            lifeline.recv()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
