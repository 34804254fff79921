"""Processes of this machine: the same bytes, and no frame lost with one of them."""

from pathlib import Path

from tests.conftest import Project
from tests.translation.engines.running import killing_a_worker, run


def test_processes_give_the_same_bytes_also_when_one_is_lost(
    project: Project, model_folder: Path, expected: dict[str, bytes], tmp_path: Path
) -> None:
    kill = killing_a_worker(tmp_path / "work")
    assert run(project, model_folder, tmp_path, kill, devices=2) == expected
