"""The exported network gives what the network gives, at any size and batch, and says what it was made from."""

import json
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from torch import Tensor

from hflow.foundation.errors import HflowError
from hflow.model.deployment import export_model
from hflow.model.store import StyleBank, TrainedModel
from tests.model.test_strip_transfer import network

SHAPES = [(1, 3, 24, 32), (3, 3, 41, 37), (2, 3, 16, 90)]


def _model(guide: int) -> TrainedModel:
    net = network((2, 2))
    net.guide = guide
    codes = torch.tensor([[0.0], [0.4], [2.0]]).repeat(1, 8)
    return TrainedModel(net, StyleBank(codes, ["dusk", "noon", "dawn"]), {}, "f" * 64)


def _off(model: TrainedModel, number: int, frames: Tensor, found: Tensor) -> float:
    """The largest difference from the network's own, in grey levels."""
    with torch.inference_mode():
        wanted = model.network.transfer(frames, model.styles.codes[[number] * len(frames)])
    return (found.detach() - wanted).abs().max().item() * 255


@pytest.mark.parametrize("guide", [0, 4])
def test_onnx_runtime_gives_what_the_network_gives(guide: int, tmp_path: Path) -> None:
    model = _model(guide)
    assert export_model(model, tmp_path / "hflow.onnx")["style"] == "noon"  # the nearest to all
    session = onnxruntime.InferenceSession(tmp_path / "hflow.onnx", providers=["CPUExecutionProvider"])
    for shape in SHAPES:
        frames = torch.rand(shape)
        (found,) = session.run(None, {"frames": frames.numpy()})
        assert found.dtype == np.float32
        assert _off(model, 1, frames, torch.from_numpy(found)) < 0.01
    said = session.get_modelmeta().custom_metadata_map
    assert json.loads(said["model_sha256"]) == model.sha256
    assert json.loads(said["style"]) == "noon"


def test_torchs_own_export_gives_what_the_network_gives(tmp_path: Path) -> None:
    model = _model(0)
    export_model(model, tmp_path / "hflow.pt2", style="dawn", to="torch-export")
    extra = {"hflow.json": ""}
    loaded = torch.export.load(tmp_path / "hflow.pt2", extra_files=extra).module()
    for shape in SHAPES:
        frames = torch.rand(shape)
        assert _off(model, 2, frames, loaded(frames)) < 0.01
    assert json.loads(extra["hflow.json"])["style"] == "dawn"


def test_an_unknown_style_is_named(tmp_path: Path) -> None:
    with pytest.raises(HflowError, match=r"no style 'night' among the 3 of the bank \(dusk, noon, dawn"):
        export_model(_model(0), tmp_path / "hflow.onnx", style="night")
    assert not list(tmp_path.iterdir())
