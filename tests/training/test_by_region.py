"""What is ours in training: regions, colour, detail, dark channel, fit, rise, returning clamp; and none by default."""

import csv
import json
from collections.abc import Collection
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from hflow.datasets.images import encode_png
from hflow.datasets.pairs import Pairs
from hflow.datasets.shards import shard_files
from hflow.foundation.errors import HflowError
from hflow.foundation.params import EncoderParams, LossParams, ModelParams, TrainParams
from hflow.model.store import load_model
from hflow.training.encoder import LAYERS, Encoder
from hflow.training.loop import train
from hflow.training.typical_regions import measure_typical
from tests.conftest import Project
from tests.pictures import random_picture

OURS = LossParams(k=1.0, regions="labels", colour=3.0, detail=100.0, dark_channel=2.0, std_weight=0.5)


def trained(project: Project, out: Path, loss: LossParams, *, guide: int = 0, **options: object) -> Path:
    settings = {"steps": 4, "warm_up": 0, "batch_size": 2, "crop": (24, 16), "learning_rate": 1e-3, "log_every": 1}
    train(
        ModelParams(variant=(2,), guide=guide),
        EncoderParams(),
        loss,
        TrainParams.model_validate({**settings, "accelerator": "cpu", **options}),
        source=shard_files(project.prepared / "source" / "train"),
        target=shard_files(project.prepared / "target" / "train"),
        out=out / "model",
        plots=out / "plots",
        work=out / "work",
    )
    return out


def test_all_of_it_trains_and_the_model_carries_its_guide(project: Project, tmp_path: Path) -> None:
    out = trained(project, tmp_path, OURS, guide=3, fit=True, rise=2, returning_clamp=True)
    rows = list(csv.DictReader((out / "plots" / "curves.csv").open()))
    assert len(rows) == 4
    last = {key: float(value) for key, value in rows[-1].items()}
    ours = 100 * last["detail"] + 2 * last["dark_channel"]
    assert last["loss"] == pytest.approx(last["content"] + 0.1 * last["style"] + ours, rel=1e-4)
    assert load_model(out / "model").network.guide == 3
    assert json.loads((out / "model" / "config.json").read_text())["guide"] == 3


def test_the_encoder_takes_at_most_a_megapixel_of_an_image_and_all_of_its_classes() -> None:
    seen: list[tuple[int, ...]] = []

    class Noted(Encoder):
        def __init__(self) -> None:
            nn.Module.__init__(self)

        def forward(self, images: Tensor, layers: Collection[str] = LAYERS) -> dict[str, Tensor]:
            seen.append(tuple(images.shape))
            return dict.fromkeys(layers, images)

    ids = np.zeros((1100, 1600), np.uint8)
    ids[550:] = 2
    row = {
        "image": {"bytes": encode_png(np.zeros((1100, 1600, 3), np.uint8))},
        "label_train_ids": {"bytes": encode_png(ids)},
    }
    unlabelled = {**row, "label_train_ids": None}
    options = {"size": None, "layers": ["relu1_1"], "bands": 1, "device": torch.device("cpu")}
    classes, typical = measure_typical(Noted(), [row, unlabelled], **options)
    assert classes == 3
    assert seen == [(1, 3, 849, 1234)] * 2
    assert typical["relu1_1"].share[0].tolist() == pytest.approx([0.25, 0, 0.25], abs=1e-3)


def test_a_finished_training_is_not_set_up_again(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained(project, tmp_path, OURS)
    before = (tmp_path / "model/model.safetensors").read_bytes()
    monkeypatch.setattr("hflow.training.loop.measure_typical", None)
    monkeypatch.setattr("hflow.training.loop.HeldOut", None)
    trained(project, tmp_path, OURS)
    assert (tmp_path / "model/model.safetensors").read_bytes() == before


def test_a_rerun_gives_the_same_bytes(project: Project, tmp_path: Path) -> None:
    models = [
        (trained(project, tmp_path / name, OURS, fit=True) / "model" / "model.safetensors").read_bytes()
        for name in ("a", "b")
    ]
    assert models[0] == models[1]


def test_by_default_there_is_no_term_of_detail(project: Project, tmp_path: Path) -> None:
    out = trained(project, tmp_path, LossParams())
    header = (out / "plots" / "curves.csv").read_text().splitlines()[0]
    assert header == "step,loss,content,style"


def test_a_pairs_labels_are_cropped_and_mirrored_as_its_pictures() -> None:
    rows = []
    for i in range(4):
        picture = random_picture(i)
        rows.append(
            {
                "key": str(i),
                "image": {"bytes": encode_png(picture)},
                "label_train_ids": {"bytes": encode_png(np.asarray(picture)[..., 0])},
            }
        )
    options = {"seed": 0, "size": None, "crop": (20, 12), "flip": True, "length": 20}
    pairs, plain = Pairs(rows, rows, **options, labels=True), Pairs(rows, rows, **options)
    for number in range(20):
        content, style, its_ids, their_ids = pairs[number]
        assert torch.equal((content[0] * 255).round().long(), its_ids)
        assert torch.equal((style[0] * 255).round().long(), their_ids)
        assert torch.equal(plain[number][0], content)


def test_a_target_without_labels_is_an_error(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(_: bytes) -> np.ndarray:
        return np.full((24, 32), 255, np.uint8)

    monkeypatch.setattr("hflow.training.typical_regions.decode_ids", nothing)
    with pytest.raises(HflowError, match="set it to none"):
        trained(project, tmp_path, OURS)
