"""What a training takes beside its steps: the start, the fit, measuring the encoder, the camera, the style bank."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hflow.benchmarks.case import BenchmarkCase
from hflow.benchmarks.drawn_frames import drawn_frame
from hflow.benchmarks.training import benchmark_training
from hflow.datasets.images import encode_png
from hflow.datasets.tensors import to_tensor
from hflow.foundation.params import EncoderParams, LossParams
from hflow.model import HierarchyFlow
from hflow.training.camera_fit import find_camera
from hflow.training.encoder import load_encoder, measure_scales
from hflow.training.loop import FIRST_IMAGES
from hflow.training.style_bank import encode_styles
from hflow.training.style_fit import MOST_IMAGES, fit_styles
from hflow.training.typical_regions import measure_typical

__all__ = ["IMAGES", "STEPS", "Preparation", "benchmark_preparation"]

IMAGES, STEPS = 1500, 300
"""The target images and the steps of the training that the whole is given for."""

DRAWN = 128
CLASSES = 4


@dataclass(frozen=True)
class Preparation:
    """What was measured, in seconds.

    Attributes:
        parts: by name, for `IMAGES` target images.
        step: of training, with the paper's losses.
    """

    parts: Mapping[str, float]
    step: float

    @property
    def share(self) -> float:
        """Of all parts, against `STEPS` steps."""
        return sum(self.parts.values()) / (STEPS * self.step)


def benchmark_preparation(case: BenchmarkCase) -> Preparation:
    """Time each part once on drawn images, the style bank on `DRAWN` of them, and the step as `hflow bench --training`.

    The network computes in float32, the Style-Net of the bank in bfloat16, as `train` does on a CPU that has it.
    """
    torch.manual_seed(0)
    device, clock = case.device, case.clock
    rows = [_row(number, case.size) for number in range(DRAWN)]
    network = HierarchyFlow(case.expansions).to(device)
    encoder = load_encoder(EncoderParams().name).to(device)

    def image(number: int) -> Tensor:
        return to_tensor(drawn_frame(number, case.size))[None].to(device)  # (1, 3, H, W)

    images = [image(number) for number in range(max(MOST_IMAGES, FIRST_IMAGES))]
    layers = LossParams().style_layers
    parts = {}
    for name, part in {
        "start": lambda: network.start_from(images[:1]),
        "fit": lambda: fit_styles(network, images.__getitem__, MOST_IMAGES),
        "scales": lambda: measure_scales(encoder, images[:FIRST_IMAGES]),
        "classes": lambda: measure_typical(encoder, rows, size=None, layers=layers, bands=1, device=device),
        "camera": lambda: find_camera(network, rows, rows, None),
        "style bank": lambda: encode_styles(network, rows, None, autocast=lambda: torch.autocast(device.type)),
    }.items():
        begin = clock()
        part()
        parts[name] = clock() - begin
    parts["style bank"] *= IMAGES / DRAWN
    return Preparation(parts, benchmark_training(case).train * case.batch)


def _row(number: int, size: tuple[int, int]) -> dict[str, Any]:
    """As a prepared shard has it, with a label of horizontal bands."""
    width, height = size
    ids = np.repeat((np.arange(height) * CLASSES // height).astype(np.uint8)[:, None], width, axis=1)
    pixels = drawn_frame(number, size)
    return {
        "key": str(number),
        "image": {"bytes": encode_png(pixels)},
        "label_train_ids": {"bytes": encode_png(ids)},
    }
