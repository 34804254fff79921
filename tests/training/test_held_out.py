"""Measures on held-out frames: from the start to the end, the same after a stop, and without a say in the weights."""

import csv
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch

from hflow.datasets.shards import PREPARED_SCHEMA, read_rows, shard_files, write_shard
from hflow.foundation.errors import HflowError
from hflow.model import HierarchyFlow
from hflow.training.held_out import HeldOut
from tests.conftest import Project

CPU = torch.device("cpu")


def _table(out: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((out / "model" / "measures.csv").open()))


def _weights(out: Path) -> bytes:
    return b"".join((out / "model" / name).read_bytes() for name in ("model.safetensors", "styles.safetensors"))


class Listener:
    """Keeps what it is told of held-out frames; stops the training after a step, if it is given one."""

    def __init__(self, stop: int = 0):
        self.stop = stop
        self.measured: dict[int, dict[str, float]] = {}

    def metrics(self, values: Mapping[str, float], step: int) -> None:
        if "invented_detail" in values:
            self.measured[step] = dict(values)
        elif step == self.stop:
            raise KeyboardInterrupt

    def image(self, key: str, path: Path, step: int) -> None: ...


@pytest.mark.parametrize("devices", [1, 2])
def test_a_training_is_measured_at_its_start_on_its_way_and_at_its_end(
    project: Project, tmp_path: Path, devices: int
) -> None:
    listener = Listener()
    project.train(tmp_path, steps=5, measure_every=2, devices=devices, logger=listener)
    rows = _table(tmp_path)
    assert [int(row["step"]) for row in rows] == [0, 2, 4, 5]
    assert (tmp_path / "plots/measures.csv").read_bytes() == (tmp_path / "model/measures.csv").read_bytes()
    told = {step: {name: str(value) for name, value in values.items()} for step, values in listener.measured.items()}
    assert told == {int(row.pop("step")): row for row in rows}


def test_measuring_changes_no_weight_and_without_it_the_table_is_a_header(project: Project, tmp_path: Path) -> None:
    for every in (0, 1):
        project.train(tmp_path / str(every), measure_every=every)
    assert _weights(tmp_path / "0") == _weights(tmp_path / "1")
    assert (tmp_path / "0/model/measures.csv").read_text().splitlines() == ["step,invented_detail,colour_error"]


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
    rows = [{**row, "label": None, "label_train_ids": None} for row in read_rows(files[0])]
    bare = tmp_path / "shard-0.parquet"
    write_shard(bare, rows, PREPARED_SCHEMA)
    target = shard_files(project.prepared / "target/train")
    network = HierarchyFlow((2,))
    assert set(HeldOut([bare], files, target, None).measure(network, CPU)) == {"invented_detail", "colour_error"}
    assert "class_colour_error" in HeldOut([], files, target, None).measure(network, CPU)


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
