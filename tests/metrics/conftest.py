"""Pairs of pictures on which metrics are held against other implementations."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from hflow.datasets.images import fit_image, open_rgb
from hflow.datasets.tensors import to_tensor
from tests.pictures import random_picture

DATA = Path(__file__).parents[3] / "shared" / "data"
SIZE = (96, 64)


@pytest.fixture(params=["drawn", "noise", "real"])
def pairs(request: pytest.FixtureRequest) -> tuple[Tensor, Tensor]:
    """Images and their references, (4, 3, 64, 96) in [0, 1], unlike, somewhat alike, and almost alike."""
    if request.param == "noise":
        torch.manual_seed(0)
        reference = (torch.rand(4, 3, SIZE[1], SIZE[0]) * 255).round() / 255
        images = (torch.rand(4, 3, SIZE[1], SIZE[0]) * 255).round() / 255
        return images, reference
    if request.param == "drawn":
        frames = [random_picture(i, SIZE) for i in range(5)]
    else:
        if not DATA.is_dir():
            pytest.skip("no real datasets beside the project")
        photographs = sorted((DATA / "camvid" / "train" / "images").iterdir())[:5]
        frames = [np.asarray(fit_image(open_rgb(p), SIZE, "crop")) for p in photographs]
    noise = np.random.default_rng(0)
    images = [
        np.asarray(Image.fromarray(frames[0]).convert("L").convert("RGB")),
        np.clip(frames[1].astype(float) * 0.7 + 20, 0, 255).astype(np.uint8),
        np.clip(frames[2] + noise.normal(0, 12, frames[2].shape), 0, 255).astype(np.uint8),
        frames[4],
    ]
    return torch.stack([to_tensor(i) for i in images]), torch.stack([to_tensor(f) for f in frames[:4]])
