"""By what a result is found again: the commit of its code, and the hashes by which DVC keeps its data."""

import subprocess
from pathlib import Path

from hflow.foundation.dvc_files import dvc_stages

__all__ = ["dvc_hash", "file_at", "git_commit", "uncommitted_changes"]


def dvc_hash(path: Path) -> str:
    """The hash by which DVC knows a stage's input or output, `<md5>.dir` for a folder; "unknown" without one."""
    for lock in (Path("dvc.lock"), Path("data/dvc.lock")):
        for stage in dvc_stages(lock).values():
            for entry in (*stage.get("outs", []), *stage.get("deps", [])):
                if Path(entry["path"]).absolute() == path.absolute():
                    return str(entry["md5"])
    return "unknown"


def git_commit() -> str:
    """The commit that is checked out; "none" outside a repository."""
    return (_git("rev-parse", "HEAD") or "none").strip()


def uncommitted_changes() -> bool:
    """Whether files that git tracks differ from the commit; False outside a repository."""
    return bool(_git("status", "--porcelain", "--untracked-files=no"))


def file_at(revision: str, file: str) -> str | None:
    """A text file as git has it at a revision; None where there is no such revision or file."""
    return _git("show", f"{revision}:{file}")


def _git(*arguments: str) -> str | None:
    """What git prints; None where it fails or is not installed."""
    try:
        done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return None
    return done.stdout if done.returncode == 0 else None
