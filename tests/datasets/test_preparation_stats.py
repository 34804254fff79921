"""What prepare counted is read again, and a file that is missing is named with what to do."""

from pathlib import Path

import pytest

from hflow.datasets.preparation_stats import given_frames, read_stats
from hflow.foundation.atomic_files import write_json
from hflow.foundation.errors import HflowError


def test_source_frames_of_all_splits_were_given(tmp_path: Path) -> None:
    counts = {"source/train": {"given": 3}, "source/val": {"given": 2}, "target/train": {"given": 9}}
    write_json(tmp_path / "stats.json", {"classes": ["road"], **counts})
    stats = read_stats(tmp_path)
    assert stats["classes"] == ["road"]
    assert given_frames(stats) == 5


def test_a_missing_file_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(HflowError, match=r"stats\.json is missing: run `hflow prepare`$"):
        read_stats(tmp_path)
