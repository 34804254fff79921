"""The page of a sweep has every figure of every experiment."""

import csv
from pathlib import Path

import pytest

from hflow.reports.sweep_page import write_sweep

FIGURES = [{"given": 3.0, "mIoU/translated": miou, "ssim": 0.5} for miou in (0.2, 0.4, 0.3)]


@pytest.mark.parametrize(
    ("parameter", "verdict"),
    [
        ("loss.k", "mIoU/translated is highest at 1, 0.400"),
        ("train.seed", "mIoU/translated is 0.300 on average of 3 seeds, with 95% confidence from 0.052 to 0.548."),
    ],
)
def test_the_page_and_the_table_show_each_experiment(tmp_path: Path, parameter: str, verdict: str) -> None:
    rows = [(f"sweep-{n}", {parameter: n}, figures) for n, figures in enumerate(FIGURES)]
    page = write_sweep("it", rows, tmp_path).read_text()
    assert verdict in page
    assert page.count("<circle") == 6
    assert "0.400</td>" in page
    with (tmp_path / "results.csv").open() as file:
        table = list(csv.DictReader(file))
    assert [(row["experiment"], row[parameter], row["mIoU/translated"]) for row in table] == [
        ("sweep-0", "0", "0.2"),
        ("sweep-1", "1", "0.4"),
        ("sweep-2", "2", "0.3"),
    ]


@pytest.mark.parametrize(
    ("rows", "verdict"),
    [
        ([{"psnr_to_truth": 22.0, "ssim": 0.5}, {"psnr_to_truth": 12.0, "ssim": 0.9}], "psnr_to_truth is highest at 0"),
        ([{"KID": 0.0348, "FCN_score": 0.1}, {"KID": 0.0352, "FCN_score": 0.2}], "KID × 1000 is lowest at 0, 34.800"),
        ([{"ssim": 0.5}, {"ssim": 0.9}], "No figure that tells better from worse is known of every experiment."),
    ],
)
def test_without_segmenters_the_best_is_that_of_the_reports_measure_and_not_what_changed_least(
    tmp_path: Path, rows: list[dict[str, float]], verdict: str
) -> None:
    page = write_sweep("it", [(f"sweep-{n}", {"loss.k": n}, row) for n, row in enumerate(rows)], tmp_path).read_text()
    assert verdict in page
