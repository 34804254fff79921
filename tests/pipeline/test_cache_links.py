"""DVC's cache holds what is in the project once, where links are allowed, as docs/how-to/operations.md says."""

import subprocess
from pathlib import Path

import pytest


def test_links_spare_the_second_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    def dvc(*arguments: str) -> None:
        subprocess.run(["dvc", *arguments], check=True, capture_output=True)

    dvc("init", "--no-scm")
    shard = Path("data/shard-00000.parquet")
    shard.parent.mkdir()
    shard.write_bytes(bytes(1 << 20))
    dvc("add", "data")
    dvc("config", "cache.type", "hardlink,symlink")  # Without reflinks, which look like copies.
    assert shard.stat().st_nlink == 1
    assert not shard.is_symlink()
    dvc("checkout", "--relink")
    assert shard.is_symlink() or shard.stat().st_nlink == 2
    assert not shard.lstat().st_mode & 0o222 or shard.is_symlink()
