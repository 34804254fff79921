"""What is done to frames ahead of the network takes away darkness and haze, wherever the network runs."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from hflow.metrics.ssim_psnr import psnr
from hflow.model import HierarchyFlow
from hflow.model.correction import WELL_LIT, Correction, brighten, correct, dehaze
from hflow.model.deployment import export_model
from hflow.model.store import StyleBank, TrainedModel, load_model, model_files
from hflow.translation.translator import Translator

CORRECTIONS = ("none", "gamma", "dark_channel")


def _rooms() -> Tensor:
    """Two pictures of dark and coloured things, (2, 3, 64, 96)."""
    torch.manual_seed(0)
    return torch.rand(2, 3, 8, 12).square().repeat_interleave(8, dim=2).repeat_interleave(8, dim=3)


@pytest.mark.parametrize("light", [0.05, 0.3, 1.0])
def test_a_gamma_makes_each_picture_as_bright_as_one_that_is_well_lit(light: float) -> None:
    dark = light * _rooms()
    assert brighten(dark).mean(dim=(1, 2, 3)).tolist() == pytest.approx([WELL_LIT] * 2, abs=0.01)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_a_picture_without_any_contrast_stays_within_bounds(value: float) -> None:
    flat = torch.full((1, 3, 24, 32), value)
    corrections: tuple[Correction, ...] = ("gamma", "dark_channel")
    for correction in corrections:
        made = correct(flat, correction)
        assert made.isfinite().all()
        assert (made.min(), made.max()) >= (0, 0)
        assert made.max() <= 1


def test_the_dark_channel_prior_takes_away_haze_that_grows_with_distance() -> None:
    clear = _rooms()
    transmission = torch.linspace(0.2, 0.9, 64)[:, None]  # (64, 1)
    hazy = clear * transmission + 0.8 * (1 - transmission)
    assert (psnr(dehaze(hazy), clear) > psnr(hazy, clear) + 3).all()


@pytest.mark.parametrize("correction", CORRECTIONS)
def test_every_way_to_run_the_network_and_its_files_correct_frames_once(correction: Correction, tmp_path: Path) -> None:
    torch.manual_seed(1)
    frames, style = 0.3 * _rooms() + 0.4, torch.rand(1, 3, 64, 64)
    network = HierarchyFlow((3, 2), 4, correction=correction).eval()
    network.start_from([style])
    plain = HierarchyFlow((3, 2), 4).eval()
    plain.load_state_dict(network.state_dict())
    with torch.no_grad():
        wanted = plain(correct(frames, correction), style.expand(2, -1, -1, -1))
        code = network.encode_style(style)
    for backend in ("plain", "strips", "whole"):
        made = Translator(network, styles=style, precision="fp32", backend=backend)(frames)
        assert torch.allclose(made, wanted, atol=1e-4)
    for name, content in model_files(network, StyleBank(code, ["a"]), {}).items():
        (tmp_path / name).write_bytes(content)
    model = load_model(tmp_path)
    assert torch.allclose(Translator(model, precision="fp32")(frames), wanted, atol=1e-4)
    assert _exported(model, tmp_path / "model.pt2", frames).sub(wanted).abs().max() < 1e-3


def _exported(model: TrainedModel, path: Path, frames: Tensor) -> Tensor:
    export_model(model, path, to="torch-export")
    return torch.export.load(path).module()(frames).detach()
