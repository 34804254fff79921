"""Measures on held-out frames: from the start to the end, the same after a stop, and without a say in the weights."""

import csv
import json
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hflow.datasets.pairs import whole_ids
from hflow.datasets.shards import PREPARED_SCHEMA, ShardSet, read_rows, shard_files, write_shard
from hflow.foundation.errors import HflowError
from hflow.model import HierarchyFlow
from hflow.model.store import load_model
from hflow.segmentation.judge import Judge
from hflow.segmentation.networks import segmentation_network
from hflow.training.best_point import best_point
from hflow.training.held_out import LEAST_IMAGES, HeldOut
from tests.conftest import Project

CPU = torch.device("cpu")
COLUMNS = "step,invented_detail,colour_error,class_colour_error,ssim,kid,fcn_score"


def _table(out: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((out / "model" / "measures.csv").open()))


def _weights(out: Path) -> bytes:
    return b"".join((out / "model" / name).read_bytes() for name in ("model.safetensors", "styles.safetensors"))


class Listener:
    """Keeps what it is told of held-out frames; stops the training after a step, if it is given one."""

    def __init__(self, stop: int = 0):
        self.stop = stop
        self.measured: dict[int, dict[str, float]] = {}

    def begin(self, fingerprint: str) -> None: ...

    def metrics(self, values: Mapping[str, float], step: int) -> None:
        if "invented_detail" in values:
            self.measured[step] = dict(values)
        elif step == self.stop:
            raise KeyboardInterrupt

    def image(self, key: str, path: Path, step: int) -> None: ...


@pytest.fixture
def few_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    """As few as realism can be measured on."""
    monkeypatch.setattr("hflow.training.held_out.FRAMES", LEAST_IMAGES)


@pytest.mark.usefixtures("few_frames")
@pytest.mark.parametrize("devices", [1, 2])
def test_a_training_is_measured_at_its_start_on_its_way_and_at_its_end(
    project: Project, tmp_path: Path, devices: int
) -> None:
    listener = Listener()
    project.train(tmp_path, steps=3, measure_every=2, devices=devices, logger=listener)
    rows = _table(tmp_path)
    assert [int(row["step"]) for row in rows] == [0, 2, 3]
    assert (tmp_path / "plots/measures.csv").read_bytes() == (tmp_path / "model/measures.csv").read_bytes()
    assert list(rows[0]) == COLUMNS.split(",")
    told = {step: {name: str(value) for name, value in values.items()} for step, values in listener.measured.items()}
    assert told == {int(row.pop("step")): {name: value for name, value in row.items() if value} for row in rows}


@pytest.mark.usefixtures("few_frames")
def test_measuring_changes_no_weight_and_without_it_the_table_is_a_header(project: Project, tmp_path: Path) -> None:
    for every in (0, 1):
        project.train(tmp_path / str(every), measure_every=every)
    assert _weights(tmp_path / "0") == _weights(tmp_path / "1")
    assert (tmp_path / "0/model/measures.csv").read_text().splitlines() == [COLUMNS]


@pytest.mark.usefixtures("few_frames")
def test_a_stopped_training_that_goes_on_has_the_same_measures(project: Project, tmp_path: Path) -> None:
    options = {"steps": 10, "checkpoint_every": 3, "log_every": 1, "measure_every": 2}
    project.train(tmp_path / "whole", **options)
    with pytest.raises(KeyboardInterrupt):
        project.train(tmp_path / "stopped", logger=Listener(stop=8), **options)
    project.train(tmp_path / "stopped", **options)
    assert _table(tmp_path / "stopped") == _table(tmp_path / "whole")
    assert _weights(tmp_path / "stopped") == _weights(tmp_path / "whole")


def test_frames_without_labels_are_measured_over_the_picture(project: Project, tmp_path: Path) -> None:
    files = shard_files(project.prepared / "source/train")
    rows = [{**row, "label": None, "label_train_ids": None} for f in files for row in read_rows(f)]
    bare = tmp_path / "shard-0.parquet"
    write_shard(bare, rows, PREPARED_SCHEMA)
    target = shard_files(project.prepared / "target/train")
    network = HierarchyFlow((2,))
    judge = Judge(segmentation_network("lraspp_mobilenet_v3_large", 3).eval(), "", ("road", "sky", "car"))
    unlabelled = HeldOut([bare], files, target, None, judge=judge).measure(network, CPU)
    assert set(unlabelled) == {"invented_detail", "colour_error", "ssim", "kid"}
    labelled = HeldOut([], files, target, None, judge=judge).measure(network, CPU)
    assert set(labelled) == {*unlabelled, "class_colour_error", "fcn_score"}


def test_a_judge_of_the_truth_gives_full_marks_and_one_of_the_opposite_none(project: Project) -> None:
    files, target = (shard_files(project.prepared / name / "train") for name in ("source", "target"))
    ids = [whole_ids(row, (24, 32)) for row in ShardSet(files, ["key", "image", "label_train_ids"])]

    class Told(nn.Module):
        """Sees in the frames, one after the other, what it was told."""

        def __init__(self, answers: list[Tensor]):
            super().__init__()
            self.anything = nn.Parameter(torch.zeros(1))
            self.answers = iter(answers)

        def forward(self, _: Tensor) -> dict[str, Tensor]:
            return {"out": F.one_hot(next(self.answers), 3).movedim(-1, 0)[None].float()}  # (1, 3, H, W)

    def score(answers: list[Tensor]) -> float:
        judge = Judge(Told(answers), "", ("road", "sky", "car"))
        return HeldOut([], files, target, None, judge=judge).measure(HierarchyFlow((2,)), CPU)["fcn_score"]

    truth = [torch.tensor(each).long() % 255 for each in ids]
    assert score(truth) == 1
    assert score([(each + 1) % 3 for each in truth]) == 0


def test_realism_is_measured(project: Project) -> None:
    files, target = (shard_files(project.prepared / name / "train") for name in ("source", "target"))
    held_out = HeldOut([], files, target, None)

    def style(_: Tensor, of_style: Tensor) -> Tensor:
        return of_style

    def inverted(frame: Tensor, _: Tensor) -> Tensor:
        return 1 - frame

    assert held_out.measure(style, CPU)["kid"] < held_out.measure(inverted, CPU)["kid"]


def test_grain_raises_invented_detail(project: Project) -> None:
    files, target = (shard_files(project.prepared / name / "train") for name in ("source", "target"))
    held_out = HeldOut([], files, target, None)

    def same(frame: torch.Tensor, _: torch.Tensor) -> torch.Tensor:
        return frame

    def grain(frame: torch.Tensor, _: torch.Tensor) -> torch.Tensor:
        return (frame + 0.1 * torch.randn_like(frame)).clamp(0, 1)

    before, after = (held_out.measure(translate, CPU)["invented_detail"] for translate in (same, grain))
    assert after > before + 5


def test_frames_too_small_to_measure_say_so(project: Project) -> None:
    files, target = (shard_files(project.prepared / name / "train") for name in ("source", "target"))
    with pytest.raises(HflowError, match=r"8x6, too small .*train\.measure_every"):
        HeldOut([], files, target, (8, 6))


def test_the_best_has_the_lowest_colour_error_of_those_without_much_invented_detail() -> None:
    def point(step: int, detail: float, colour: float, **by_class: float) -> dict[str, float]:
        return {"step": step, "invented_detail": detail, "colour_error": colour, "ssim": 0.5, **by_class}

    assert best_point([point(0, 0.5, 20), point(1, 3.0, 8), point(2, 3.1, 8), point(3, 9.0, 2)])["step"] == 1
    assert best_point([point(0, 9.0, 2), point(1, 5.0, 8)])["step"] == 1
    labelled = [point(0, 1.0, 5, class_colour_error=9), point(1, 1.0, 6, class_colour_error=7)]
    assert best_point(labelled)["step"] == 1
    read = [point(0, 1.0, 5, fcn_score=0.3), point(1, 1.0, 6, fcn_score=0.4), point(2, 9.0, 1, fcn_score=0.5)]
    assert best_point(read)["step"] == 1
    negative = [point(0, 5.0, 9), point(1, 1.0, 2, ssim=0.05), point(2, 1.0, 1, ssim=0.05)]
    assert [best_point(negative)["step"], best_point(negative[1:])["step"]] == [0, 2]


def test_a_negative_of_the_frames_is_seen(project: Project) -> None:
    files, target = (shard_files(project.prepared / name / "train") for name in ("source", "target"))
    held_out = HeldOut([], files, target, (32, 24))
    same, negative = (held_out.measure(lambda x, _, a=a: a + (1 - 2 * a) * x, CPU)["ssim"] for a in (0, 1))
    assert same == pytest.approx(1)
    assert negative < 0.1


BEST = {"steps": 10, "checkpoint_every": 3, "log_every": 1, "measure_every": 2, "keep": "best"}


@pytest.fixture
def worse_from_six(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes what is measured best at step 6, which is neither the last point nor that of the last checkpoint."""
    errors = {0: 9.0, 2: 8.0, 4: 7.0, 6: 1.0, 8: 2.0, 10: 3.0}

    def chosen(points: list[dict[str, float]]) -> dict[str, float]:
        return min(points, key=lambda point: errors[int(point["step"])])

    monkeypatch.setattr("hflow.training.loop.best_point", chosen)


@pytest.mark.usefixtures("worse_from_six", "few_frames")
def test_the_best_point_is_published_and_is_the_same_after_a_stop(project: Project, tmp_path: Path) -> None:
    project.train(tmp_path / "whole", **BEST)
    project.train(tmp_path / "last", **{**BEST, "keep": "last", "measure_every": 0})
    assert _weights(tmp_path / "whole") != _weights(tmp_path / "last")
    published = json.loads((tmp_path / "whole/model/config.json").read_text())["published"]
    row = _table(tmp_path / "whole")[3]
    assert {name: str(value) for name, value in published.items()} == {name: v for name, v in row.items() if v}
    with pytest.raises(KeyboardInterrupt):
        project.train(tmp_path / "stopped", logger=Listener(stop=7), **BEST)  # behind the checkpoint of step 6
    project.train(tmp_path / "stopped", **BEST)
    assert _weights(tmp_path / "stopped") == _weights(tmp_path / "whole")


@pytest.mark.usefixtures("few_frames")
def test_the_published_weights_are_those_that_were_measured(project: Project, tmp_path: Path) -> None:
    project.train(tmp_path, steps=6, measure_every=2, keep="best")
    published = json.loads((tmp_path / "model/config.json").read_text())["published"]
    source, target = (shard_files(project.prepared / name / "train") for name in ("source", "target"))
    again = HeldOut([], source, target, None).measure(load_model(tmp_path / "model").network, CPU)
    assert again == pytest.approx({name: value for name, value in published.items() if name != "step"}, rel=1e-3)


def test_the_best_cannot_be_kept_where_nothing_is_measured(project: Project, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="set measure_every"):
        project.train(tmp_path, keep="best")
