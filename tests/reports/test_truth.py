"""The closeness to the truth in the evaluation, the report and the table of datasets."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from hflow.datasets.image_sets import open_images
from hflow.datasets.images import decode_rgb, encode_png
from hflow.datasets.manifest_rows import ManifestRows
from hflow.datasets.shards import TRANSLATED_SCHEMA, image_value, shard_files
from hflow.foundation.errors import HflowError
from hflow.metrics.closeness import MOST_DECIBELS, Closeness
from hflow.metrics.feature_spaces import load_feature_space
from hflow.metrics.lpips import load_vgg
from hflow.model.store import TrainedModel
from hflow.reports.dataset_score_table import write_scores
from hflow.reports.dataset_scores import score_datasets
from hflow.reports.evaluation_files import before_after, run_summary
from hflow.reports.evaluation_results import Evaluation
from hflow.reports.realism import Measure
from hflow.reports.truth import TruthScores, measure_truth
from hflow.reports.truth_parts import truth_columns, truth_line, truth_rows
from hflow.reports.verdict import verdict
from tests.conftest import Project
from tests.evaluations import an_evaluation, bare, example, written
from tests.pictures import random_picture
from tests.raw_data import save
from tests.translations import manifest_of, rewrite, translate

Change = Callable[[list[dict[str, Any]]], None]


def _darker(rows: list[dict[str, Any]]) -> None:
    """What each frame is to become: itself, half as bright."""
    for row in rows:
        row["truth"] = image_value(encode_png(decode_rgb(row["image"]["bytes"]) // 2), f"{row['key']}.png")


def _of_other_files(rows: list[dict[str, Any]]) -> None:
    for row in rows:
        row["source_sha256"] = "1" * 64


def _truth_itself(rows: list[dict[str, Any]]) -> None:
    for row in rows[1:]:
        row["image"] = row["truth"]


@pytest.fixture
def dark(given: Project, model: TrainedModel, tmp_path: Path) -> Project:
    """Frames with truth, and translations that are the truth, but for the first of each shard."""
    for shard in shard_files(given.prepared / "source/train"):
        rewrite(shard, _darker)
    translate(given, model, tmp_path)
    for shard in shard_files(tmp_path / "translated/train"):
        rewrite(shard, _truth_itself, TRANSLATED_SCHEMA)
    return given


def test_translations_that_are_the_truth_are_closest_and_the_others_are_shown(dark: Project, tmp_path: Path) -> None:
    rows = list(manifest_of(tmp_path).values())
    found = measure_truth(
        ManifestRows(pa.Table.from_pylist(rows)), prepared=dark.prepared, translated=tmp_path / "translated"
    )
    assert found is not None
    first = {row["shard"]: row["key"] for row in sorted(rows, key=lambda row: row["key"], reverse=True)}
    assert (found.split, found.frames) == ("all", 12)
    assert found.closer >= 12 - len(first)
    assert found.translated.psnr > found.raw.psnr
    apart = [row["key"] for row, value in found.furthest if value < MOST_DECIBELS]
    assert apart
    assert set(apart) <= set(first.values())


def test_simpler_methods_are_measured_beside_it_and_the_best_is_named(dark: Project, tmp_path: Path) -> None:
    rows = ManifestRows(pa.Table.from_pylist(list(manifest_of(tmp_path).values())))
    same = {"clahe": dark.prepared / "source", "gamma": tmp_path / "translated"}
    found = measure_truth(rows, prepared=dark.prepared, translated=tmp_path / "translated", others=same)
    assert found is not None
    assert found.others == {"clahe": found.raw, "gamma": found.translated}
    assert truth_columns(found) == ["raw", "clahe", "gamma", "translated"]
    psnr = truth_rows(found)[0]
    assert [best for _, best in psnr["values"]] == [False, False, True, True]
    assert f"the best of the simpler methods, gamma, comes to {found.translated.psnr:.1f} dB" in truth_line(found)


def test_recoloured_frames_of_other_raw_files_under_the_same_keys_are_refused(dark: Project, tmp_path: Path) -> None:
    rows = ManifestRows(pa.Table.from_pylist(list(manifest_of(tmp_path).values())))
    shutil.copytree(dark.prepared / "source", tmp_path / "clahe")
    for shard in shard_files(dark.prepared / "source/train"):
        rewrite(shard, _of_other_files)
    for shard in shard_files(tmp_path / "translated/train"):
        rewrite(shard, _of_other_files, TRANSLATED_SCHEMA)
    made = {"prepared": dark.prepared, "translated": tmp_path / "translated"}
    with pytest.raises(HflowError, match=r"clahe was made of another frame .* run `hflow baselines` again"):
        measure_truth(rows, **made, others={"clahe": tmp_path / "clahe"})
    assert measure_truth(rows, **made)


def test_frames_without_truth_are_not_measured(tmp_path: Path) -> None:
    rows = ManifestRows(pa.table({"split": ["val"], "truth_sha256": pa.nulls(1, pa.string())}))
    assert measure_truth(rows, prepared=tmp_path, translated=tmp_path) is None


def test_a_set_is_measured_against_the_truth_of_its_source(dark: Project, tmp_path: Path) -> None:
    vgg = load_vgg()
    sets = {"source": dark.prepared / "source", "translated": tmp_path / "translated"}
    raw, made = score_datasets(
        sets,
        source=dark.prepared / "source",
        target=dark.prepared / "target" / "train",
        split="train",
        space=load_feature_space("vgg16", vgg=vgg),
        vgg=vgg,
    )
    assert raw.truth is not None
    assert made.truth is not None
    assert made.truths == 12
    assert made.truth.psnr > raw.truth.psnr
    assert made.fidelity is not None
    assert made.fidelity.psnr != made.truth.psnr
    write_scores(tmp_path / "table.md", [raw, made], {})
    header, _, row = (tmp_path / "table.md").read_text().splitlines()[2:5]
    assert f"{raw.truth.psnr:.1f}" == row.split(" | ")[header.split(" | ").index("PSNR to truth ↑")]


def test_a_folder_of_images_has_its_truth_beside_it(tmp_path: Path) -> None:
    for name in ("images/a.png", "images/b.png", "truth/a.jpg"):
        save(random_picture(len(name)), tmp_path / name)
    frames = list(open_images(tmp_path, truth=True))
    assert [frame.truth is not None for frame in frames] == [True, False]
    assert all(frame.truth is None for frame in open_images(tmp_path))


@pytest.fixture
def evaluation() -> Evaluation:
    """Of a run without labels, with a truth."""
    truth = TruthScores(
        "val", 9, Closeness(8.25, 0.2, 0.5), Closeness(17.5, 0.7, 0.6), 8, [({"key": "frame-9", "split": "val"}, 11.0)]
    )
    shown = example(0, label=None, truth=np.zeros((32, 64, 3), np.uint8))
    return replace(bare(an_evaluation()), truth=truth, examples=[shown], furthest=[shown])


def test_the_verdict_of_a_run_with_truth_is_its_psnr(evaluation: Evaluation, tmp_path: Path) -> None:
    assert verdict(evaluation) == (
        "Translating brings frames closer to the truth: a PSNR of 17.5 dB against 8.2 dB for the raw frames, +9.2 dB, "
        "the mean of 9 held-out frames, of which 8 came closer."
    )
    page = written(evaluation, tmp_path)
    assert verdict(evaluation) in page
    assert page.count('class="beyond"') == 2
    assert "PSNR to the truth 11.0 dB" in page
    assert '<td class="bad">further</td>' in page  # ST-LPIPS
    assert run_summary(evaluation)["psnr_gain"] == 9.25


def test_what_came_no_closer_is_not_called_closer(evaluation: Evaluation, tmp_path: Path) -> None:
    assert evaluation.truth
    truth = replace(evaluation.truth, translated=evaluation.truth.raw)
    assert [row["verdict"] for row in truth_rows(truth)] == ["as far"] * 3
    assert written(replace(evaluation, truth=truth), tmp_path).count("<td>as far</td>") == 3


def test_the_verdict_without_truth_is_kid_at_ssim(evaluation: Evaluation) -> None:
    realism = replace(evaluation.realism, measures=[Measure("KID", 0.04, 0.03, False)])
    assert verdict(replace(evaluation, truth=None, realism=realism)) == (
        "The translated frames are nearer to the target's images: KID × 1000 is 30.0 against 40.0 for the raw frames, "
        "at a mean SSIM of 0.410 to their source; 1,204 of 1,205 frames were translated."
    )


def test_the_sheet_has_the_truth_where_all_frames_have_it(evaluation: Evaluation) -> None:
    one, other = evaluation.examples[0], example(1, style=None)
    assert before_after([one]).width > before_after([one, other]).width
