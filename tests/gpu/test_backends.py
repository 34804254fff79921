"""On a GPU every backend gives what the plain network gives, in both precisions, whatever came before."""

import numpy as np
import pytest
import torch
from torch import Tensor

from hflow.foundation.devices import repeatable_kernels
from hflow.translation.frame_batch import BatchTranslator
from hflow.translation.translator import Backend, Precision, Translator
from tests.model.test_strip_transfer import network

SIZES = [(64, 32), (256, 128), (512, 256)]


def _frames(device: torch.device, size: tuple[int, int], batch: int) -> Tensor:
    """(B, 3, H, W); small ones where a CPU stands in for the GPU."""
    width, height = size if device.type == "cuda" else (max(24, size[0] // 8), max(24, size[1] // 8))
    return torch.rand(batch, 3, height, width, generator=torch.Generator().manual_seed(0)).to(device)


def _check(device: torch.device, backend: Backend, precision: Precision, size: tuple[int, int], batch: int) -> None:
    net = network((10, 4) if device.type == "cuda" else (2,))
    frames, styles = _frames(device, size, batch), torch.rand(2, 3, 40, 40)
    wanted = Translator(net, styles, device=device, backend="plain")(frames)
    found = Translator(net, styles, device=device, backend=backend, precision=precision)(frames)
    off = (found - wanted).abs() * 255
    if precision == "fp32":
        assert off.max() < 0.05
    else:
        assert 0 < off.mean() <= 0.5
        assert (off <= 4).float().mean() >= 0.999


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_uncompiled_it_is_the_plain_network(device: torch.device, precision: Precision) -> None:
    _check(device, "whole", precision, (64, 32), 3)


@pytest.mark.gpu
@pytest.mark.parametrize("batch", [1, 16])
@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_uncompiled_at_every_size(gpu: torch.device, precision: Precision, size: tuple[int, int], batch: int) -> None:
    _check(gpu, "whole", precision, size, batch)


@pytest.mark.gpu
@pytest.mark.parametrize(
    ("precision", "size", "batch"),
    [
        ("bf16", SIZES[0], 1),
        ("bf16", SIZES[1], 16),
        ("bf16", SIZES[2], 16),
        ("fp32", SIZES[2], 1),
        ("fp32", SIZES[1], 3),
    ],
    ids=str,
)
def test_compiled_it_is_the_plain_network(
    gpu: torch.device, precision: Precision, size: tuple[int, int], batch: int
) -> None:
    _check(gpu, "compiled", precision, size, batch)


@pytest.mark.gpu
@pytest.mark.parametrize("backend", ["whole", "compiled"])
def test_the_same_batch_gives_the_same_bits_whatever_came_before(gpu: torch.device, backend: Backend) -> None:
    translate = Translator(network((2,)), torch.rand(2, 3, 40, 40), device=gpu, backend=backend)
    frames, others = _frames(gpu, SIZES[1], 5), _frames(gpu, SIZES[0], 2)
    first = translate(frames)
    translate(others)
    assert torch.equal(translate(frames), first)
    again = Translator(network((2,)), translate.styles, device=gpu, backend=backend)
    again(others)
    assert torch.equal(again(frames), first)


@pytest.mark.gpu
def test_float32_is_float32(gpu: torch.device) -> None:
    """In TensorFloat-32 a sum of 4,608 products is off by more than a thousandth."""
    x, weight = torch.rand(1, 512, 32, 32, device=gpu), torch.rand(8, 512, 3, 3, device=gpu)
    with repeatable_kernels():
        found = torch.nn.functional.conv2d(x, weight)
    wanted = torch.nn.functional.conv2d(x.cpu().double(), weight.cpu().double())
    assert ((found.cpu() - wanted).abs() / wanted).max() < 1e-5


@pytest.mark.gpu
def test_a_batch_that_does_not_fit_is_halved(gpu: torch.device) -> None:
    if gpu.type != "cuda":
        pytest.skip("only a GPU's memory can be made small")
    styles = torch.rand(2, 3, 40, 40)
    translator = Translator(network((10, 4)), styles, device=gpu, precision="fp32", backend="whole")
    translate = BatchTranslator(translator, None)
    pixels = list(np.random.default_rng(0).integers(0, 256, (16, 256, 512, 3), np.uint8))
    torch.cuda.reset_peak_memory_stats(gpu)
    wanted = [result for part in translate(pixels, [0] * 16) for result in part.fetch()]
    half = torch.cuda.max_memory_allocated(gpu) / 2 / torch.cuda.get_device_properties(gpu).total_memory
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(half, gpu)
    try:
        found = [result for part in translate(pixels, [0] * 16) for result in part.fetch()]
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0, gpu)
    assert not any(result.halved for result in wanted)
    assert all(result.halved and result.size < 16 for result in found)
    for one, other in zip(found, wanted, strict=True):
        assert abs(one.pixels.astype(int) - other.pixels).max() <= 1
