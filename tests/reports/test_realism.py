"""The measures of realism see what they are for, and the camera images' predictions are the segmenters' own."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from torch import Tensor, nn

from hflow.datasets.images import decode_ids, decode_rgb, encode_png
from hflow.datasets.shards import PREPARED_SCHEMA, image_value, read_table, shard_files, write_shard
from hflow.reports.evaluation import _reader
from hflow.reports.predictions import predict_camera_images
from hflow.reports.realism import COLOUR, DETAIL, FCN, Measure, Reader, Realism, measure_realism
from hflow.segmentation.judge import Judge, save_judge
from hflow.segmentation.networks import segmentation_network
from tests.conftest import Project

CLASSES = ["road", "sky", "car"]


class SeesRoad(nn.Module):
    """The first class everywhere."""

    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Parameter(torch.ones(()))

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        out = torch.zeros(len(images), len(CLASSES), *images.shape[2:])
        out[:, 0] = self.one
        return {"out": out}


SEES_ROAD = Judge(SeesRoad(), "deeplabv3_mobilenet_v3_large", tuple(CLASSES), "0")


def _realism(project: Project, translated: Path, reader: Reader | None = None) -> tuple[Realism, dict[str, Measure]]:
    shards = shard_files(project.prepared / "source" / "train")
    rows: list[dict[str, Any]] = [
        {"key": key, "split": "train", "shard": path.name}
        for path in shards
        for key in read_table(path, ["key"])["key"].to_pylist()
    ]
    made = measure_realism(rows, prepared=project.prepared, translated=translated, classes=CLASSES, reader=reader)
    return made, {measure.name: measure for measure in made.measures}


def test_frames_that_were_left_alone_are_measured_as_the_raw_ones(project: Project) -> None:
    realism, measures = _realism(project, project.prepared / "source", Reader(SEES_ROAD, "it", of_target_alone=True))
    assert {DETAIL, COLOUR, FCN} <= measures.keys()
    assert all(m.raw == m.translated and not m.bad for m in realism.measures)
    assert realism.by_class
    assert {"road", "sky"} <= {c.name for c in realism.colours}
    assert all(c.raw == c.translated and c.before == c.after for c in realism.colours)
    assert realism.reading
    assert realism.reading.translated[:, 0].sum() == realism.reading.translated.sum() > 0


def test_a_reader_that_has_learned_from_the_raw_frames_too_gives_no_fcn_score(project: Project) -> None:
    realism, measures = _realism(project, project.prepared / "source", Reader(SEES_ROAD, "it", of_target_alone=False))
    assert FCN not in measures
    assert realism.reading


@pytest.mark.parametrize(("trained_on", "alone"), [("target", True), ("both", False), ("", False)])
def test_a_judge_scores_frames_where_it_says_that_it_knows_the_target_alone(
    tmp_path: Path, trained_on: str, alone: bool
) -> None:
    name = "lraspp_mobilenet_v3_large"
    save_judge(Judge(segmentation_network(name, 3), name, tuple(CLASSES), trained_on=trained_on), tmp_path / "judge")
    reader = _reader(None, tmp_path / "judge", CLASSES, "cpu")
    assert reader
    assert reader.of_target_alone == alone


def test_grain_is_invented_detail_and_the_frame_with_most_of_it_the_worst(project: Project, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    (tmp_path / "train").mkdir()
    for path in shard_files(project.prepared / "source" / "train"):
        rows = pq.read_table(path).to_pylist()
        for row in rows:
            amount = 60 if row["key"] == "00007" else 20
            pixels = decode_rgb(row["image"]["bytes"])
            grain = random.integers(-amount, amount + 1, pixels.shape)
            row["image"] = image_value(encode_png((pixels + grain).clip(0, 255).astype(np.uint8)), "a.png")
        write_shard(tmp_path / "train" / path.name, rows, PREPARED_SCHEMA)
    _, measures = _realism(project, tmp_path)
    assert measures[DETAIL].bad
    assert measures[DETAIL].worst[0][0]["key"] == "00007"
    assert FCN not in measures


def test_a_segmenter_is_shown_with_what_it_has_right(project: Project) -> None:
    shards = shard_files(project.prepared / "target" / "val")
    shown = predict_camera_images(shards, {"source": SEES_ROAD}, 2)
    rows = [row for path in shards for row in pq.read_table(path).to_pylist()]
    labels = {row["key"]: decode_ids(row["label_train_ids"]["bytes"]) for row in rows}
    assert len(shown) == 2
    for prediction in shown:
        label = labels[prediction.key]
        assert np.array_equal(prediction.label, label)
        assert not prediction.seen["source"].any()
        assert prediction.right["source"] == pytest.approx((label == 0).sum() / (label != 255).sum())
    assert predict_camera_images(shards, {}, 2) == []


def test_of_a_label_that_is_all_ignored_no_share_is_right(project: Project, tmp_path: Path) -> None:
    rows = pq.read_table(shard_files(project.prepared / "target" / "val")[0]).to_pylist()[:1]
    size = decode_ids(rows[0]["label_train_ids"]["bytes"]).shape
    rows[0]["label_train_ids"] = image_value(encode_png(np.full(size, 255, np.uint8)), "a.png")
    write_shard(tmp_path / "shard-0.parquet", rows, PREPARED_SCHEMA)
    (shown,) = predict_camera_images([tmp_path / "shard-0.parquet"], {"source": SEES_ROAD}, 2)
    assert shown.right == {"source": None}
