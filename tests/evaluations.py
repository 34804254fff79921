"""A made-up evaluation, for tests of the report that shows it."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from hflow.foundation.params import DataParams
from hflow.foundation.timings import Timing
from hflow.metrics.paired_gain import Gain
from hflow.metrics.similarity_summary import Similarity
from hflow.reports.evaluation_page import write_report
from hflow.reports.evaluation_results import Evaluation, Example, ModelFacts, Rejected
from hflow.reports.predictions import Prediction
from hflow.reports.provenance import Provenance, RunLink
from hflow.reports.realism import ClassColours, Measure, Reading, Realism
from hflow.segmentation.scores import SegmenterScores

__all__ = ["CLASSES", "DATA", "PROVENANCE", "TIMINGS", "an_evaluation", "bare", "example", "score", "written"]

DATA = DataParams.model_validate(
    {"source": {"root": "sims/town", "layout": "folder"}, "target": {"root": "/store/real", "layout": "cityscapes"}}
)
CLASSES = ["road", "sky", "made up"]
PROVENANCE = Provenance(
    made=datetime(2026, 3, 9, 14, 5, tzinfo=UTC),
    version="0.1.0",
    commit="e" * 40,
    changed=True,
    run=RunLink("f" * 32, f"http://127.0.0.1:5000/#/experiments/1/runs/{'f' * 32}", "mlflow ui"),
    data={"data/prepared": "0" * 32 + ".dir"},
)
TIMINGS = {
    "translate": Timing(1204, 61.4, "cpu, 2 threads"),
    "segment source": Timing(1600, 7400, "cpu, 2 threads"),
}


def example(number: int, **changes: Any) -> Example:
    """A frame of stripes whose SSIM and class follow its number, with fields changed."""
    random = np.random.default_rng(number)
    source = np.broadcast_to(random.integers(0, 256, (1, 64, 3), np.uint8), (32, 64, 3))
    label = np.full((32, 64), 255, np.uint8)
    label[:16] = number % 3
    example = Example(
        key=f"frame-{number}",
        split="train",
        style_key="t0",
        ssim=number / 10,
        source=source,
        translated=255 - source,
        label=label,
        style=source[:16],
    )
    return replace(example, **changes)


def score(name: str, miou: float, seeds: int) -> SegmenterScores:
    """The same mIoU for every seed."""
    iou = {"road": miou, "sky": 1.0, "made up": None}
    protocol = {"steps": 200, "batch_size": 8, "learning_rate": 0.002, "weights": "none", "validation_frames": 6}
    return SegmenterScores(name, miou, 0.7, 0.5, iou, dict.fromkeys(range(seeds), miou), protocol)


def an_evaluation() -> Evaluation:
    """Of a run that has everything: scores of two seeds, a judge, labels, curves, a rejected frame."""
    scored = ("source", "translated")
    similar = Similarity(0.41, 0.1, 0.15, 0.4)
    config = {
        "size": None,
        "encoder": {"name": "vgg16", "scales": [1.0]},
        "loss": {"lambda_style": 0.1, "k": 0.8, "style_layers": ["relu1_1", "relu2_1"]},
        "train": {"steps": 300, "batch_size": 2, "learning_rate": 0.001, "crop": [96, 64], "seed": 0},
    }
    row = {"key": "frame-9", "split": "train"}
    colours = [ClassColours("road", (90, 90, 90), (70, 72, 70), (64, 66, 64), 12.0, 3.0)]
    measures = [
        Measure("invented detail", 0.4, 4.2, True, [(row, 9.0)]),
        Measure("FCN score", 0.3, 0.4, False, [(row, 0.1)]),
        Measure("KID", 0.04, 0.03, False),
    ]
    counts = np.diag([80, 20, 0])
    seen = counts + np.array([[0, 20, 0], [0, 0, 0], [0, 0, 0]])
    label = np.full((32, 64), 255, np.uint8)
    label[:16] = 1
    camera = Prediction(
        "c0", np.zeros((32, 64, 3), np.uint8), label, dict.fromkeys(scored, label), dict.fromkeys(scored, 0.5)
    )
    return Evaluation(
        given=1205,
        translated=1204,
        rejected=1,
        rejections=[Rejected("train", "images/<b>.png", "is of one colour")],
        sizes=((64, 32), (64, 32)),
        stats={
            "classes": CLASSES,
            "unscored": ["wall", "fence"],
            "source/train": {"given": 1205, "prepared": 1204, "rejected": 1, "labelled": True},
            "target/train": {"given": 9, "prepared": 9, "rejected": 0, "labelled": False},
        },
        versions={"source": "b" * 64, "target": "c" * 64, "translated": "d" * 64},
        similarity={"all": similar, "train": similar},
        translated_with={"seed": ["7"], "precision": ["bf16"], "backend": []},
        histogram=[0, 4, 10, *[1] * 17],
        consistency=Similarity(0.9, 0.4, 0.6, 0.92),
        scores={"source": score("source", 0.29, 2), "translated": score("translated", 0.41, 2)},
        gains={"translated": Gain(0.12, 2, (0.05, 0.19))},
        class_gain={"road": 0.12, "sky": 0.0},
        model=ModelFacts(1_017_372, (10, 4), 9, "a" * 64, config),
        curves=[{"step": s, "loss": 3 / s, "content": 0.5, "style": 0.0} for s in range(1, 1000)],
        measured=[
            {"step": s, "invented_detail": 1 + s / 500, "colour_error": 9.0, "kid": -0.01} for s in (0, 500, 999)
        ],
        training_sheet=np.zeros((40, 60, 3), np.uint8),
        examples=[example(i) for i in range(4)],
        drawn=[example(4)],
        least_similar=[example(5)],
        most_similar=[example(6)],
        least_consistent=[example(7, consistency=0.4)],
        most_consistent=[example(8, consistency=0.99)],
        realism=Realism(1, measures, True, colours, Reading("the judge models/given/judge", counts, seen)),
        worst={"invented detail": [example(9)], "FCN score": [example(9)]},
        predictions=[camera],
    )


def bare(evaluation: Evaluation) -> Evaluation:
    """A run without scores, labels, styles, curves, rejections, a judge, extremes and measures."""
    return replace(
        evaluation,
        rejected=0,
        rejections=[],
        consistency=None,
        scores={},
        gains={},
        class_gain={},
        model=replace(evaluation.model, config={}),
        curves=[],
        measured=[],
        training_sheet=None,
        examples=[example(0, label=None, style=None)],
        drawn=[],
        least_similar=[],
        most_similar=[],
        least_consistent=[],
        most_consistent=[],
        realism=Realism(1, [], False, [], None),
        worst={},
        predictions=[],
    )


def written(evaluation: Evaluation, folder: Path) -> str:
    """The report of an evaluation, written to folder/index.html."""
    write_report(evaluation, folder / "index.html", data=DATA, timings=TIMINGS, provenance=PROVENANCE, drawn=True)
    return (folder / "index.html").read_text(encoding="utf-8")
