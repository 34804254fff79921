"""A Translator gives what the network gives, by every backend and in both precisions, and says which it took."""

import pytest
import torch

from hflow.foundation.devices import fast_bfloat16
from hflow.model import HierarchyFlow
from hflow.translation.translator import Translator
from tests.model.test_strip_transfer import network

CPU = torch.device("cpu")


def _difference(expansions, **options):
    """From the plain network, in grey levels."""
    net = network(expansions)
    styles, frames = torch.rand(2, 3, 40, 40), torch.rand(3, 3, 60, 90)
    wanted = Translator(net, styles, backend="plain")(frames)
    assert wanted.std() > 0.05
    return (Translator(net, styles, **options)(frames) - wanted).abs() * 255


@pytest.mark.parametrize("backend", ["strips", "whole"])
@pytest.mark.parametrize("expansions", [(2,), (10, 4), (4, 5, 2)], ids=str)
def test_in_float32_no_pixel_is_off_by_a_hundredth_of_a_grey_level(backend, expansions):
    assert _difference(expansions, backend=backend, precision="fp32").max() < 0.01


@pytest.mark.parametrize("backend", ["strips", "whole"])
@pytest.mark.parametrize("expansions", [(2,), (10, 4), (4, 5, 2)], ids=str)
def test_in_bfloat16_the_mean_is_off_by_half_a_grey_level_at_most(backend, expansions):
    off = _difference(expansions, backend=backend, precision="bf16")
    assert 0 < off.mean() <= 0.5
    assert (off <= 4).float().mean() >= 0.999


def test_auto_is_bfloat16_where_the_device_is_faster_at_it():
    translator = Translator(network((2,)), torch.rand(1, 3, 32, 32))
    assert translator.precision == ("bf16" if fast_bfloat16(CPU) else "fp32")
    assert translator.backend == "strips"


def test_without_a_compiler_translation_goes_on_and_says_why(monkeypatch, capsys):
    def broken(*_):
        raise RuntimeError("no compiler found")

    monkeypatch.setattr(torch, "compile", lambda _: broken)
    translator = Translator(HierarchyFlow((2,)), torch.rand(1, 3, 32, 32), backend="compiled")
    assert translator.backend == "whole"
    assert translator(torch.rand(1, 3, 20, 30)).shape == (1, 3, 20, 30)
    assert "no compiler found" in "".join(capsys.readouterr())


def test_the_plain_network_has_no_bfloat16():
    with pytest.raises(ValueError, match="fp32 alone"):
        Translator(network((2,)), torch.rand(1, 3, 32, 32), backend="plain", precision="bf16")


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        (torch.zeros(1, 3, 32, 32, dtype=torch.uint8), "not torch.uint8"),
        (torch.full((1, 3, 32, 32), 255.0), "from 255 to 255"),
        (torch.full((1, 3, 32, 32), -1.0), "from -1 to -1"),
        (torch.full((1, 3, 32, 32), torch.nan), "from nan"),
        (torch.zeros(0, 3, 32, 32), "at least one of them"),
        (torch.zeros(3, 32, 32), r"not \(3, 32, 32\)"),
        (torch.zeros(1, 32, 32, 3), r"\(B, 3, H, W\)"),
    ],
)
def test_what_is_no_frame_is_refused_with_what_it_is(frames, message):
    translate = Translator(network((2,)), torch.rand(1, 3, 32, 32))
    with pytest.raises(ValueError, match=message):
        translate(frames)


def test_a_translator_takes_images_as_styles():
    torch.manual_seed(0)
    net = HierarchyFlow((2,)).eval()
    styles, frames = torch.rand(2, 3, 32, 32), torch.rand(3, 3, 20, 30)
    out = Translator(net, styles=styles, precision="fp32")(frames)
    with torch.inference_mode():
        assert torch.allclose(out, net(frames, styles[[0, 1, 0]]), atol=1e-6)
