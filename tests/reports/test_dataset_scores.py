"""Datasets side by side: the frames themselves come out equal, others' folders are measured like shards."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from rich.console import Console

from hflow.datasets.image_sets import Frame, ImageSet, open_images
from hflow.foundation.atomic_files import write_json
from hflow.foundation.devices import torch_threads
from hflow.foundation.errors import HflowError
from hflow.foundation.params import TranslateParams
from hflow.metrics.closeness import Closeness
from hflow.metrics.feature_spaces import load_feature_space
from hflow.metrics.lpips import ShiftTolerantVGG, load_vgg
from hflow.model import HierarchyFlow
from hflow.model.hierarchy_flow import AdaINPlace
from hflow.model.store import StyleBank, TrainedModel, load_model
from hflow.reports.dataset_score_table import PAPER, print_scores, write_scores
from hflow.reports.dataset_scores import DatasetScores, _class_colours, network_cost, score_datasets
from hflow.segmentation.judge import Judge
from hflow.segmentation.judge_training import train_judge
from hflow.translation.dataset import translate_dataset
from tests.conftest import Project

SPACE = "vgg16-st-relu5_3"
SCORES = {"pxAcc": 0.5, "clsAcc": 0.4, "mIoU": 0.3}


@pytest.fixture(scope="module")
def vgg() -> ShiftTolerantVGG:
    return load_vgg()


@pytest.fixture(scope="module")
def judge(project: Project) -> Judge:
    shards = open_images(project.prepared / "source").shards
    return train_judge(shards, ["road", "sky", "car"], steps=30, batch_size=6)


@pytest.fixture(scope="module")
def folders(project: Project, model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The frames as they are, translated, and as another tool's folder: darker, larger, one of unknown name."""
    folder = tmp_path_factory.mktemp("datasets")
    write_json(folder / "sets" / "target.json", {"name": "target", "shards": [], "made_from": {}})
    translate_dataset(
        load_model(model_folder),
        TranslateParams(device="cpu"),
        prepared=project.prepared,
        out=folder / "translated",
        sets=folder / "sets",
        work=folder / "work",
    )
    (folder / "theirs").mkdir()
    for frame in open_images(project.prepared / "source"):
        darker = Image.fromarray((frame.pixels * 0.7).astype(np.uint8)).resize((64, 48))
        darker.save(folder / "theirs" / f"{frame.key}.png")
    Image.new("RGB", (64, 48)).save(folder / "theirs" / "more.png")
    return {
        "source": project.prepared / "source",
        "translated": folder / "translated",
        "theirs": folder / "theirs",
    }


@pytest.fixture(scope="module")
def rows(
    project: Project, folders: dict[str, Path], model_folder: Path, vgg: ShiftTolerantVGG, judge: Judge
) -> list[DatasetScores]:
    return score_datasets(
        folders,
        source=project.prepared / "source",
        target=project.prepared / "target" / "train",
        split="train",
        space=load_feature_space("vgg16", vgg=vgg),
        vgg=vgg,
        judge=judge,
        model=load_model(model_folder),
        score=lambda name, *_: SCORES if name == "theirs" else None,
    )


def test_the_frames_themselves_are_equal_to_themselves(rows: list[DatasetScores]) -> None:
    source = rows[0]
    assert source.fidelity is not None
    assert (source.fidelity.ssim, source.fidelity.psnr) == (pytest.approx(1), float("inf"))
    assert source.fidelity.lpips == pytest.approx(0, abs=1e-6)
    assert source.semantics is not None
    assert source.semantics.kept == 1


def test_others_images_are_matched_by_name_and_brought_to_size(rows: list[DatasetScores]) -> None:
    theirs = rows[2]
    assert theirs.fidelity is not None
    assert (theirs.images, theirs.fidelity.pairs, theirs.fidelity.resized) == (13, 12, 12)
    assert 0 < theirs.fidelity.ssim < 1
    assert theirs.segments == SCORES


def test_the_networks_size_stands_beside_what_it_made_alone(rows: list[DatasetScores]) -> None:
    assert [row.network is not None for row in rows] == [False, True, False]


def test_figures_are_the_same_however_many_batches_are_looked_at_at_once(
    project: Project, folders: dict[str, Path], vgg: ShiftTolerantVGG
) -> None:
    found = []
    for threads in (1, 3):
        with torch_threads(threads):
            row = score_datasets(
                {"theirs": folders["theirs"]},
                source=project.prepared / "source",
                target=project.prepared / "target" / "train",
                split="train",
                space=load_feature_space("vgg16", vgg=vgg),
                vgg=vgg,
            )[0]
        assert row.fidelity is not None
        found.append([row.fid, row.kid.mean, row.fidelity.ssim, row.fidelity.psnr, row.fidelity.lpips])
    assert found[0] == pytest.approx(found[1], rel=1e-4)


def test_the_target_is_as_real_as_itself(project: Project, vgg: ShiftTolerantVGG) -> None:
    target = project.prepared / "target" / "train"
    found = score_datasets(
        {"target": target},
        source=project.prepared / "source",
        target=target,
        split="train",
        space=load_feature_space("vgg16", vgg=vgg),
        vgg=vgg,
    )[0]
    assert found.fid == pytest.approx(0, abs=1e-3)
    assert found.fidelity is None
    assert found.semantics is None


def test_class_colours_are_those_of_256_images_at_most_from_the_whole_target() -> None:
    loaded: list[int] = []

    def load(number: int) -> Frame:
        loaded.append(number)
        return Frame(str(number), np.full((8, 8, 3), 90, np.uint8), np.ones((8, 8), np.uint8) if number % 2 else None)

    found = _class_colours(ImageSet(Path(), [str(number) for number in range(1000)], (), load))
    assert set(found) == {1}
    assert len(loaded) == 256
    assert np.diff(loaded).min() >= 3
    assert loaded[-1] > 990


def test_costs_are_those_counted_on_the_published_code() -> None:
    """The paper prints (10)'s figures for (10, 4)."""
    assert network_cost((10,)).gmac == pytest.approx(10.13, abs=0.005)
    assert network_cost((10, 4)).gmac == pytest.approx(26.8, abs=0.05)
    assert network_cost((10, 4)).parameters == 1_017_372


@pytest.mark.parametrize("adain", ["every", "innermost"])
def test_the_parameters_shown_are_those_of_the_network_that_made_the_set(
    project: Project, vgg: ShiftTolerantVGG, monkeypatch: pytest.MonkeyPatch, adain: AdaINPlace
) -> None:
    monkeypatch.setattr("hflow.reports.dataset_scores._made_by", lambda *_: True)
    network = HierarchyFlow((4, 2), adain=adain)
    (row,) = score_datasets(
        {"translated": project.prepared / "source"},
        source=project.prepared / "source",
        target=project.prepared / "target" / "train",
        split="train",
        space=load_feature_space("vgg16", vgg=vgg),
        vgg=vgg,
        model=TrainedModel(network, StyleBank(torch.zeros(1, 8), ["a"]), {}, ""),
    )
    assert row.network is not None
    assert row.network.parameters == sum(p.numel() for p in network.parameters())


def test_a_distance_to_the_truth_of_nothing_is_a_figure_and_a_name_may_have_a_bar(
    rows: list[DatasetScores], tmp_path: Path
) -> None:
    truth = replace(rows[2], name="truth | itself", truth=Closeness(100.0, 1.0, 0.0), truths=12)
    write_scores(tmp_path / "table.md", [truth], {})
    header, line, row = (tmp_path / "table.md").read_text().splitlines()[2:5]
    assert row.startswith(r"| truth \| itself | 13 |")
    assert row.replace(r"\|", "").count("|") == header.count("|") == line.count("|")
    assert "| 1.000 | 100.0 | 0.000 |" in row


def test_the_json_names_the_feature_space_and_keeps_the_papers_figures_apart(
    rows: list[DatasetScores], tmp_path: Path
) -> None:
    write_scores(tmp_path / "table.json", rows, {"split": "train"})
    said: dict[str, Any] = json.loads((tmp_path / "table.json").read_text())
    assert [row["name"] for row in said["datasets"]] == ["source", "translated", "theirs"]
    for row, figures in zip(said["datasets"], rows, strict=True):
        assert row[f"FID/{SPACE}"] == figures.fid
        assert row[f"KID/{SPACE}"]["mean"] == figures.kid.mean
    assert said["datasets"][0]["PSNR"] is None
    assert len(said["paper"]["table1"]) == len(PAPER) == 7
    assert said["protocol"] == {"split": "train"}


def test_the_same_rows_give_the_same_bytes_and_every_dataset_a_line(rows: list[DatasetScores], tmp_path: Path) -> None:
    for name in ("a.md", "b.md"):
        write_scores(tmp_path / name, rows, {"split": "train"})
    text = (tmp_path / "a.md").read_text()
    assert text == (tmp_path / "b.md").read_text()
    lines = text.splitlines()
    table = [line for line in lines if line.startswith("| ")]
    assert {line.count(" | ") for line in table[: 2 + 3 + 7]} == {15}
    assert all(any(line.startswith(f"| {name} |") for line in lines) for name in ("source", "translated", "theirs"))
    assert sum(line.startswith("| paper: ") for line in lines) == 7
    console = Console(record=True, width=180, quiet=True)
    print_scores(rows, console)


def test_another_suffix_is_refused(rows: list[DatasetScores], tmp_path: Path) -> None:
    with pytest.raises(HflowError, match=r"\.json or \.md"):
        write_scores(tmp_path / "table.csv", rows, {})


def test_too_few_images_and_images_too_small_are_named(project: Project, vgg: ShiftTolerantVGG, tmp_path: Path) -> None:
    _fails(project, vgg, tmp_path, images=3, match="has 3 images")
    _fails(project, vgg, tmp_path, images=4, match="0 is 40x17")


def _fails(project: Project, vgg: ShiftTolerantVGG, folder: Path, *, images: int, match: str) -> None:
    for number in range(images):
        Image.new("RGB", (40, 17)).save(folder / f"{number}.png")
    with pytest.raises(HflowError, match=match):
        score_datasets(
            {"theirs": folder},
            source=project.prepared / "source",
            target=project.prepared / "target",
            split="train",
            space=load_feature_space("vgg16", vgg=vgg),
            vgg=vgg,
        )


def test_the_least_size_is_one_that_the_network_takes(vgg: ShiftTolerantVGG) -> None:
    images = torch.rand(1, 3, 18, 18)
    assert vgg.distance(images, images).item() == 0
