"""Frames through the network: in their order, decoded and encoded beside it."""

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch import Tensor

from hflow.foundation.params import StyleParams
from hflow.model.store import load_model
from hflow.translation.frame_pipeline import FramePipeline
from hflow.translation.style_choice import StyleChoice
from hflow.translation.translator import Translator
from tests.pictures import random_picture

COUNT, PATIENCE = 6, 10.0


def test_decoding_and_encoding_go_on_beside_the_network(model_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded, translated = ([threading.Event() for _ in range(COUNT)] for _ in range(2))
    calls, waited_for_nothing, plain = iter(range(COUNT)), list[str](), Translator.translate_checked

    def decode(row: dict[str, Any]) -> np.ndarray:
        decoded[row["number"]].set()
        return random_picture(row["number"])

    def network(self: Translator, frames: Tensor, choice: list[int]) -> Tensor:
        number = next(calls)
        # Not the next frame: a batch is only known to be full when that is there.
        if number == 0 and not decoded[3].wait(PATIENCE):
            waited_for_nothing.append("later frames are decoded after the network")
        translated[number].set()
        return plain(self, frames, choice)

    def encode(row: dict[str, Any], _: np.ndarray) -> None:
        if row["number"] == 0 and not translated[2].wait(PATIENCE):
            waited_for_nothing.append("a later frame is translated after the encoding of this one")

    monkeypatch.setattr(Translator, "translate_checked", network)
    pipeline = FramePipeline(
        Translator(load_model(model_folder)), choice=StyleChoice(StyleParams(), ["a"]), batch_size=1, workers=2
    )
    rows = list(pipeline.run(({"key": str(i), "number": i} for i in range(COUNT)), decode, encode))
    assert [(row["number"], fault) for row, fault in rows] == [(i, None) for i in range(COUNT)]
    assert not waited_for_nothing
