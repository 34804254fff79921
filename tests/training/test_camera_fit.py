"""The camera of a target is found in its images."""

import json
from pathlib import Path
from typing import cast

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor, nn

from hflow.datasets.images import encode_png
from hflow.model import HierarchyFlow
from hflow.training.camera_fit import find_camera, fine_structure, fit_camera
from hflow.translation.camera import Camera
from tests.conftest import Project


def _scene(number: int) -> np.ndarray:
    """Patches and grain of many sizes, smooth as a renderer's, (96, 128, 3) uint8."""
    random = np.random.default_rng(number)
    scales = (0.7, 1.5, 4.0, 12.0)
    parts = [gaussian_filter(random.normal(size=(96, 128, 3)), (s, s, 0)) * s * 12 for s in scales]
    return (128 + sum(parts)).clip(0, 255).astype(np.uint8)


SCENES = [_scene(number) for number in range(6)]


@pytest.mark.parametrize(
    "camera",
    [Camera(), Camera(blur=1.0), Camera(sharpen=0.5), Camera(noise=2.0), Camera(quality=60)],
    ids=str,
)
def test_the_camera_that_took_pictures_is_found(camera: Camera) -> None:
    assert fit_camera(SCENES, [camera(scene, 99 + number) for number, scene in enumerate(SCENES)]) == camera


def test_contrast_is_no_matter_of_the_camera() -> None:
    flat = (SCENES[0].astype(float) - 128) * 0.5 + 128
    assert np.abs(fine_structure(SCENES[0])[:5] - fine_structure(flat.astype(np.uint8))[:5]).max() < 0.1


@pytest.mark.parametrize("size", [(1, 1, 3), (9, 5, 3), (16, 16, 3)])
def test_small_and_empty_pictures_have_a_structure(size: tuple[int, int, int]) -> None:
    assert np.isfinite(fine_structure(np.zeros(size, np.uint8))).all()


def test_the_network_takes_at_most_a_megapixel_of_frame_or_style() -> None:
    class Noted(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(1))
            self.seen: set[tuple[int, ...]] = set()

        def forward(self, content: Tensor, style: Tensor) -> Tensor:
            self.seen |= {tuple(content.shape), tuple(style.shape)}
            return content

    row = {"image": {"bytes": encode_png(np.zeros((1100, 1600, 3), np.uint8))}}
    network = Noted()
    find_camera(cast(HierarchyFlow, network), [row], [row], None)
    assert network.seen == {(1, 3, 849, 1234)}


def test_a_model_knows_the_camera_of_its_target(project: Project, tmp_path: Path) -> None:
    project.train(tmp_path, steps=1)
    assert Camera.of(json.loads((tmp_path / "model/config.json").read_text()))
