"""A command that must heed the permissions of files, as root's commands need not."""

import os
import shutil
from collections.abc import Sequence

import pytest

__all__ = ["unprivileged"]


def unprivileged(command: Sequence[str]) -> list[str]:
    """The command such that it heeds permissions; skips the test where that can't be had."""
    if os.getuid() != 0:
        return list(command)
    if not shutil.which("setpriv"):
        pytest.skip("root heeds no permissions, and there is no setpriv here")
    return ["setpriv", "--bounding-set=-all", "--inh-caps=-all", *command]
