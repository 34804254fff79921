"""What may still be taken is the system's or the container's, whichever is less."""

from pathlib import Path

import psutil
import pytest

from hflow.foundation.free_memory import free_memory


def test_a_containers_limit_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hflow.foundation.free_memory.CGROUP", tmp_path)
    (tmp_path / "memory.max").write_text("max\n")
    assert free_memory() == pytest.approx(psutil.virtual_memory().available, rel=0.2)
    (tmp_path / "memory.max").write_text("1000000\n")
    (tmp_path / "memory.current").write_text("900000\n")
    (tmp_path / "memory.stat").write_text("anon 1\ninactive_file 50000\n")
    assert free_memory() == 150_000
