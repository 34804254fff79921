"""A batch on the device: halved where it does not fit, read when it is there."""

from typing import cast

import numpy as np
import pytest
import torch
from torch import Tensor

from hflow.translation.frame_batch import BatchTranslator, PendingFrames
from hflow.translation.translator import Translator
from tests.model.test_strip_transfer import network

PIXELS = list(np.random.default_rng(0).integers(0, 256, (3, 24, 32, 3), np.uint8))  # (H, W, 3) each


class _Arrival:
    """Of a copy that is only there once it has been waited for."""

    def __init__(self, place: Tensor):
        self.place = place

    def synchronize(self) -> None:
        self.place.fill_(7)


def test_a_copy_on_its_way_is_waited_for_before_it_is_read() -> None:
    levels = torch.zeros(2, 4, 4, 3, dtype=torch.uint8)
    arrived = cast("torch.cuda.Event", _Arrival(levels))
    pending = PendingFrames(2, levels, torch.ones(2) > 0, torch.ones(2), None, arrived)
    assert all((result.pixels == 7).all() for result in pending.fetch())


@pytest.mark.parametrize("said", ["cuDNN error: CUDNN_STATUS_NOT_INITIALIZED", "CUDA error: out of memory"])
def test_a_batch_that_does_not_fit_is_halved_in_its_order(monkeypatch: pytest.MonkeyPatch, said: str) -> None:
    translate = BatchTranslator(Translator(network((2,)), torch.rand(2, 3, 32, 32), precision="fp32"), None)
    (whole,) = translate(PIXELS, [0, 1, 0])
    plain = Translator.translate_checked

    def small(self: Translator, frames: Tensor, choice: list[int]) -> Tensor:
        if len(frames) > 1:
            raise RuntimeError(said)
        return plain(self, frames, choice)

    monkeypatch.setattr(Translator, "translate_checked", small)
    results = [result for part in translate(PIXELS, [0, 1, 0]) for result in part.fetch()]
    assert [(result.size, result.halved) for result in results] == [(1, True)] * 3
    for result, expected in zip(results, whole.fetch(), strict=True):
        assert abs(result.pixels.astype(int) - expected.pixels).max() <= 1


def test_an_error_of_another_kind_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> Tensor:
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    translate = BatchTranslator(Translator(network((2,)), torch.rand(1, 3, 32, 32)), None)
    monkeypatch.setattr(Translator, "translate_checked", broken)
    with pytest.raises(RuntimeError, match="illegal memory access"):
        translate(PIXELS, [0, 0, 0])
