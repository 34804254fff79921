"""All tables in one run: what is found is written at once, and what there is no time for is named."""

import json
from pathlib import Path

import pytest

from hflow.benchmarks import suite
from hflow.benchmarks.case import BenchmarkCase


def _run(out: Path, minutes: float) -> dict[str, list[dict[str, object]]]:
    suite.run_suite(BenchmarkCase((2,), (32, 24), rounds=1), out, minutes=minutes, sizes=[(32, 24)], batches=[2])
    found: dict[str, list[dict[str, object]]] = json.loads((out / "bench.json").read_text())
    return found


def test_every_part_is_a_row_and_one_that_fails_costs_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: BenchmarkCase) -> None:
        raise RuntimeError("CUDA error: out of memory")

    monkeypatch.setattr(suite, "FRAMES_A_BATCH", 2)
    monkeypatch.setattr(suite, "benchmark_training", broken)
    monkeypatch.setattr(suite, "VARIANTS", {"hf": (2,), "hf+": (2,), "hf++": (2,)})
    found = _run(tmp_path, 5)
    assert set(found) == {"machine", "translation", "training", "disk to disk", "others"}
    assert [row["network"] for row in found["translation"]] == ["hf", "hf", "hf+", "hf++"]
    assert all(row["translate, frames/s"] for row in found["translation"])
    assert found["training"][0]["failed"] == "out of memory"
    assert found["disk to disk"][0]["frames"] == 4
    tables = (tmp_path / "bench.md").read_text()
    assert tables.count("\n### ") == 4
    assert "| hf+ | 32x24 | 2 | auto |" in tables


def test_what_there_is_no_time_for_is_named(tmp_path: Path) -> None:
    found = _run(tmp_path, 0)
    assert set(found) == {"machine", "left out"}
    assert found["left out"][0] == {"part": "translation: hf, 32x24, 2, auto"}
