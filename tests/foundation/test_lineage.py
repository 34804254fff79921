"""A result's code and data are found again by what is said of them."""

import subprocess
from pathlib import Path

import pytest
import yaml

from hflow.foundation.lineage import dvc_hash, git_commit, uncommitted_changes


def test_hashes_are_those_of_dvc_lock_and_unknown_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert dvc_hash(Path("data/raw")) == "unknown"
    stage = {"deps": [{"path": "data/raw", "md5": "1.dir"}], "outs": [{"path": "data/prepared", "md5": "2.dir"}]}
    Path("dvc.lock").write_text(yaml.safe_dump({"stages": {"prepare": stage}}))
    assert [dvc_hash(Path(p)) for p in ("data/raw", "data/prepared", "data")] == ["1.dir", "2.dir", "unknown"]
    assert dvc_hash(tmp_path / "data/raw") == "1.dir"  # DVC notes an absolute path in the project as a relative one


def test_the_commit_and_what_differs_from_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert (git_commit(), uncommitted_changes()) == ("none", False)

    def git(*arguments: str) -> str:
        command = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org", *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    git("init")
    Path("params.yaml").write_text("town: {}")
    git("add", ".")
    git("commit", "-m", "first")
    Path("untracked").touch()
    assert (git_commit(), uncommitted_changes()) == (git("rev-parse", "HEAD").strip(), False)
    Path("params.yaml").write_text("town: {seed: 1}")
    assert uncommitted_changes()


def test_without_git_there_is_no_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert (git_commit(), uncommitted_changes()) == ("none", False)
