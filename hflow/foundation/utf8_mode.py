"""Names of files as UTF-8, whatever the locale."""

import os
import sys

__all__ = ["ensure_utf8"]


def ensure_utf8() -> None:
    """Start this process again in Python's UTF-8 mode where the locale has another encoding for the names of files.

    In such a locale a name that is not ASCII is no text that could be stored or shown.
    """
    if sys.getfilesystemencoding() == "utf-8" or os.environ.get("PYTHONUTF8") == "1":
        return
    os.environ["PYTHONUTF8"] = "1"
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
