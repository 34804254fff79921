"""What does not belong together, is missing or damaged is refused by its name."""

from pathlib import Path

import pytest
import torch

from hflow.datasets.shards import PREPARED_SCHEMA, write_shard
from hflow.datasets.training_sets import TrainingSet, replacing_sets
from hflow.foundation.errors import HflowError
from hflow.model import HierarchyFlow
from hflow.model.store import StyleBank, model_files
from tests.reports.evaluated_run import Run, frame_row


def test_frames_of_another_model_are_refused(run: Run) -> None:
    other = model_files(HierarchyFlow((2,)), StyleBank(torch.ones(1, 8), ["t0"]), {})
    for name, content in other.items():
        (run.root / "model" / name).write_bytes(content)
    with pytest.raises(HflowError, match="hflow translate"):
        run.evaluate()


def test_a_segmenter_that_is_not_the_one_that_was_scored_is_refused(run: Run) -> None:
    run.score("source", [0.3], network="0" * 64)
    with pytest.raises(HflowError, match=r"segmenters/source is not the network .* `hflow segment source` again"):
        run.evaluate(train_on=["source"])


def test_frames_that_are_prepared_anew_are_refused(run: Run) -> None:
    rows = [frame_row(f"val-{i}", i) | {"source_sha256": "1"} for i in range(3)]
    write_shard(run.root / "prepared/source/val/shard-0.parquet", rows, PREPARED_SCHEMA)
    with pytest.raises(HflowError, match=r"made of other frames.*`hflow translate` again"):
        run.evaluate()


def test_frames_that_are_prepared_anew_at_another_size_are_refused(run: Run) -> None:
    rows = [frame_row(f"val-{i}", i, size=(30, 20)) for i in range(3)]
    write_shard(run.root / "prepared/source/val/shard-0.parquet", rows, PREPARED_SCHEMA)
    with pytest.raises(HflowError, match=r"at another size.*`hflow translate` again"):
        run.evaluate()


def test_recoloured_frames_of_other_data_are_refused(run: Run) -> None:
    with replacing_sets(run.root / "sets", TrainingSet("gamma", {Path("gamma"): "0"}, {"source": "0", "target": "0"})):
        pass
    with pytest.raises(HflowError, match=r"gamma was made from another source.*`hflow baselines` again"):
        run.evaluate(compare=["gamma"])


def test_scores_by_different_rules_are_refused(run: Run) -> None:
    run.score("source", [0.3])
    run.score("translated", [0.4], steps=6)
    with pytest.raises(HflowError, match="different steps"):
        run.evaluate(train_on=["source", "translated"])
    run.score("translated", [0.4, 0.5])
    with pytest.raises(HflowError, match="different seeds"):
        run.evaluate(train_on=["source", "translated"])


def test_training_sets_of_different_length_may_be_compared(run: Run) -> None:
    run.score("source", [0.3], training_frames=3)
    run.score("target", [0.4], training_frames=9)
    assert len(run.evaluate(train_on=["source", "target"]).scores) == 2


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("segment/source.json", None, "is missing"),
        ("segment/source.json", "{", "is not JSON"),
        ("segment/source.json", "[]", "holds no mapping"),
        ("segment/source.json", '{"train_on": "source"}', "hflow segment source"),
        ("model/curves.csv", "step,loss\n1,high\n", "is not a table of numbers"),
        ("prepared/stats.json", None, "is missing"),
        ("translated/manifest.parquet", None, "is missing"),
    ],
)
def test_a_missing_or_damaged_file_is_named(run: Run, name: str, content: str | None, said: str) -> None:
    run.score("source", [0.3])
    (run.root / name).unlink() if content is None else (run.root / name).write_text(content)
    with pytest.raises(HflowError, match=said) as caught:
        run.evaluate(train_on=["source"])
    assert name in str(caught.value)
