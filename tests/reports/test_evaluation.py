"""The evaluation gathers what the stages left, whatever part of it a run has, and writes the same bytes again."""

import csv
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from hflow.datasets.manifest import MANIFEST_SCHEMA
from hflow.datasets.shards import PREPARED_SCHEMA, write_shard
from hflow.foundation.errors import HflowError
from hflow.foundation.hashes import sha256_file
from hflow.foundation.params import DataParams
from hflow.reports.evaluation_page import write_report
from tests.reports.evaluated_run import Run, frame_row


def test_every_frame_is_counted_and_a_rejected_one_has_its_reason(run: Run) -> None:
    evaluation = run.evaluate()
    figures = run.figures()
    assert (figures["given"], figures["translated"], figures["rejected"]) == (13, 12, 1)
    assert [(r.source_path, r.reason) for r in evaluation.rejections] == [("images/bad.png", "label missing")]
    assert sum(evaluation.histogram) == 12


def test_similarity_is_told_by_split_and_of_all_frames(run: Run) -> None:
    run.evaluate()
    ssim = run.figures()["ssim"]
    assert ssim["train"] == pytest.approx({"mean": 0.5, "min": 0.1, "p05": 0.14, "median": 0.5}, abs=1e-6)
    assert ssim["val"]["mean"] == pytest.approx(0.2, abs=1e-6)
    assert ssim["all"]["mean"] == pytest.approx((9 * 0.5 + 3 * 0.2) / 12, abs=1e-6)


def test_gain_is_what_translating_adds_with_an_interval_from_two_seeds_on(run: Run) -> None:
    run.score("source", [0.30, 0.20])
    run.score("translated", [0.40, 0.34])
    run.evaluate(train_on=["source", "translated"])
    figures = run.figures()
    made_from = figures["scores"]["translated"].pop("made_from")
    assert made_from.keys() == {"training_set", "validation_set", "code"}
    assert figures["scores"]["translated"] == {"mIoU": 0.37, "pxAcc": 0.6, "clsAcc": 0.5, "seeds": 2}
    assert figures["gain"]["mIoU"] == pytest.approx(0.12)
    assert figures["gain"]["seeds"] == 2
    assert figures["gain_by_set"] == {"translated": figures["gain"]}
    # The differences 0.10 and 0.14: 12.706 standard errors of 0.02 on both sides of their mean.
    assert figures["gain"]["interval"] == pytest.approx([0.12 - 0.25412, 0.12 + 0.25412], abs=1e-5)


def test_scores_after_self_training_stand_beside_those_without(run: Run) -> None:
    for name in ("source", "translated"):
        run.score(name, [0.3], after=0.4)
    run.evaluate(train_on=["source", "translated"])
    assert run.figures()["scores"]["source"]["self_training"] == {
        "mIoU": 0.4,
        "labelled": 0.7,
        "photographs": run.photographs,
    }
    summary = json.loads((run.root / "metrics/summary.json").read_text())
    assert summary["mIoU self-trained/translated"] == 0.4
    assert summary["mIoU/translated"] == 0.3


def test_scores_after_self_training_on_other_photographs_are_refused(run: Run) -> None:
    run.score("source", [0.3], after=0.4, photographs="of before")
    with pytest.raises(
        HflowError, match="scores of another set of photographs than there is now: run `hflow segment source`"
    ):
        run.evaluate(train_on=["source"])


def test_one_seed_gives_a_gain_without_an_interval(run: Run) -> None:
    run.score("source", [0.3])
    run.score("translated", [0.25])
    run.evaluate(train_on=["source", "translated"])
    assert run.figures()["gain"] == {"mIoU": -0.05, "seeds": 1, "interval": None}


def test_without_scores_there_is_no_gain_and_no_plot_of_classes(run: Run) -> None:
    run.score("source", [0.3])
    evaluation = run.evaluate(train_on=[])
    assert evaluation.gain is None
    assert run.figures()["scores"] == {}
    assert sorted(path.name for path in (run.root / "plots").iterdir()) == ["before-after.png", "ssim.csv"]


def test_a_class_that_does_not_occur_is_left_out_of_the_plot(run: Run) -> None:
    run.score("target", [0.3])
    assert run.evaluate(train_on=["target"]).gain is None
    with (run.root / "plots/classes.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows == [
        {"class": "road", "train_on": "target", "bar": "road, target", "IoU": "0.3"},
        {"class": "sky", "train_on": "target", "bar": "sky, target", "IoU": "0.5"},
    ]


def test_examples_are_evenly_spaced_and_belong_together(run: Run) -> None:
    examples = run.evaluate(examples=4).examples
    assert [e.key for e in examples] == ["train-0", "train-3", "train-6", "val-0"]
    assert all(e.style is not None and e.label is not None for e in examples)
    # The tiny translation is the source itself.
    assert all(np.array_equal(e.source, e.translated) for e in examples)
    with Image.open(run.root / "plots/before-after.png") as sheet:
        assert sheet.width > sheet.height / 2


def test_more_examples_than_frames_are_all_frames(tmp_path: Path) -> None:
    run = Run(tmp_path, frames={"train": 1})
    evaluation = run.evaluate(examples=8)
    assert len(evaluation.examples) == 1
    assert not evaluation.least_similar


def test_least_and_most_similar_frames_come_with_the_extreme_first(run: Run) -> None:
    evaluation = run.evaluate()
    assert [round(e.ssim, 1) for e in evaluation.least_similar] == [0.1, 0.1, 0.2]
    assert [round(e.ssim, 1) for e in evaluation.most_similar] == [0.9, 0.8, 0.7]


def test_frames_are_drawn_by_lot_apart_from_the_examples_and_the_same_again(run: Run) -> None:
    evaluation = run.evaluate(examples=4)
    drawn = [e.key for e in evaluation.drawn]
    assert len(drawn) == 4
    assert not {*drawn} & {e.key for e in evaluation.examples}
    assert drawn == [e.key for e in run.evaluate(examples=4).drawn]


def test_frames_that_a_judge_has_seen_are_told_by_consistency(run: Run) -> None:
    assert run.evaluate().consistency is None
    assert run.figures()["consistency"] is None
    path = run.root / "translated/manifest.parquet"
    table = pq.read_table(path)
    # The first frame of train and the rejected one have none.
    judged = [None if key in ("train-0", "bad") else 0.5 + i / 100 for i, key in enumerate(table["key"].to_pylist())]
    pq.write_table(
        table.drop_columns([c for c in table.column_names if c == "consistency"]).append_column(
            "consistency", pa.array(judged, pa.float32())
        ),
        path,
    )
    evaluation = run.evaluate()
    assert run.figures()["consistency"]["min"] == pytest.approx(0.51)
    assert [e.key for e in evaluation.least_consistent] == ["train-1", "train-2", "train-3"]
    assert [e.key for e in evaluation.most_consistent] == ["val-2", "val-1", "val-0"]


def test_the_version_of_the_data_follows_the_raw_files_and_not_the_shards(run: Run) -> None:
    run.evaluate()
    before = run.figures()["data"]
    shard = run.root / "prepared/source/val/shard-0.parquet"
    shard.rename(shard.with_name("shard-1.parquet"))
    moved = pq.read_table(run.root / "translated/manifest.parquet").to_pylist()
    for row in moved:
        row["shard"] = row["shard"] and ("shard-1.parquet" if row["split"] == "val" else row["shard"])
    (run.root / "translated/val/shard-0.parquet").rename(run.root / "translated/val/shard-1.parquet")
    pq.write_table(pa.Table.from_pylist(moved, MANIFEST_SCHEMA), run.root / "translated/manifest.parquet")
    run.evaluate()
    assert run.figures()["data"]["source"] == before["source"]
    rows = [frame_row("val-9", 9), *pq.read_table(shard.with_name("shard-1.parquet")).to_pylist()]
    write_shard(shard.with_name("shard-1.parquet"), rows, PREPARED_SCHEMA)
    moved.append({"key": "val-9", "split": "val", "status": "rejected", "source_path": "9", "reason": "none"})
    pq.write_table(pa.Table.from_pylist(moved, MANIFEST_SCHEMA), run.root / "translated/manifest.parquet")
    run.evaluate()
    assert run.figures()["data"]["source"] != before["source"]
    assert run.figures()["data"]["target"] == before["target"]


def test_a_class_gains_where_both_have_a_score(run: Run) -> None:
    run.score("source", [0.30])
    run.score("translated", [0.40])
    run.evaluate(train_on=["source", "translated"])
    assert run.figures()["gain_by_class"] == {"road": 0.1, "sky": 0.0}


def test_a_hundred_thousand_frames_make_a_page_under_10_mb(tmp_path: Path) -> None:
    run = Run(tmp_path, frames={"train": 40})
    path = tmp_path / "translated/manifest.parquet"
    rows = pq.read_table(path).to_pylist()
    # The same frames again and again, as the manifest tells them.
    pq.write_table(pa.Table.from_pylist([rows[i % 40] for i in range(100_000)], MANIFEST_SCHEMA), path)
    evaluation = run.evaluate(examples=50)
    assert evaluation.translated == 100_000
    domain = {"root": "raw", "layout": "folder"}
    data = DataParams.model_validate({"source": domain, "target": domain})
    write_report(evaluation, tmp_path / "index.html", data=data)
    assert (tmp_path / "index.html").stat().st_size < 10_000_000


def test_a_run_without_val_split_labels_styles_or_curves_is_evaluated(tmp_path: Path) -> None:
    run = Run(tmp_path, frames={"train": 5}, labelled=False, styles=False)
    evaluation = run.evaluate(curves=False)
    assert set(evaluation.similarity) == {"all", "train"}
    assert all(e.label is None and e.style is None for e in evaluation.examples)
    assert not evaluation.curves
    assert evaluation.training_sheet is None


def test_a_second_run_writes_the_same_bytes(run: Run) -> None:
    run.score("source", [0.3, 0.2])
    run.score("translated", [0.4, 0.5])

    def hashes() -> dict[str, str]:
        run.evaluate(train_on=["source", "translated"])
        files = [run.root / "metrics/evaluate.json", *(run.root / "plots").iterdir()]
        return {path.name: sha256_file(path) for path in files}

    assert hashes() == hashes()
    assert str(run.root) not in (run.root / "metrics/evaluate.json").read_text()
