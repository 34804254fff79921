"""NVIDIA's driver. Python's own library alone: this runs before anything is installed."""

import shutil
import subprocess

__all__ = ["driver_version"]


def driver_version() -> str:
    """The version of NVIDIA's driver; "" where there is none, or no GPU."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return ""
    asked = [program, "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        done = subprocess.run(asked, capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.split("\n")[0].strip() if done.returncode == 0 else ""
