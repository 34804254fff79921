"""Held-out frames: a network that leaves frames as they are invents nothing, and the measures say what is wrong."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch

from hflow.model import HierarchyFlow
from hflow.training.held_out import HeldOut, LabelledImage

NAMES = ("road", "sky")


class Recoloured(HierarchyFlow):
    """In place of a network: every frame, with its colours scaled, and grain if asked for."""

    def __init__(self, scale: float, grain: float = 0.0):
        super().__init__((2,))
        self.scale, self.grain = scale, grain

    def forward(self, content: torch.Tensor, style: torch.Tensor) -> torch.Tensor:  # noqa: ARG002
        return (self.scale * content + self.grain * torch.randn_like(content)).clamp(0, 1)


def pictures(scale: float, number: int = 3) -> Sequence[LabelledImage]:
    """Sky over a road, (32, 48), a little textured."""
    random = np.random.default_rng(0)
    ids = np.repeat([1, 0], 16)[:, None].repeat(48, axis=1)
    light = np.where(ids == 1, 200, 100)[..., None]
    return [
        LabelledImage(np.clip(scale * (light + random.normal(0, 8, (32, 48, 3))), 0, 255).astype(np.uint8), ids)
        for _ in range(number)
    ]


def held_out() -> HeldOut:
    return HeldOut(pictures(1.0), pictures(0.5), target=pictures(0.5), names=NAMES)


def test_the_right_colours_and_no_grain_give_the_least_error() -> None:
    right, untouched, grainy = (held_out().measure(n) for n in (Recoloured(0.5), Recoloured(1), Recoloured(0.5, 0.05)))
    assert right["error"] < 3 < untouched["error"]
    assert right["class_colour"] < 2 < 15 < untouched["class_colour"]
    assert grainy["detail"] > 5 * right["detail"]
    assert right["error"] == pytest.approx(right["class_colour"] + right["detail"])


def test_without_labels_the_whole_pictures_are_compared_and_nothing_is_read() -> None:
    def plain(images: Sequence[LabelledImage]) -> Sequence[LabelledImage]:
        return [LabelledImage(image.pixels) for image in images]

    found = HeldOut(plain(pictures(1.0)), plain(pictures(0.5))).measure(Recoloured(0.5))
    assert sorted(found) == ["colour", "detail", "error"]


def test_a_judge_reads_the_frames_against_their_labels() -> None:
    frames = pictures(1.0)

    def judge(images: torch.Tensor) -> torch.Tensor:
        return (images.mean(dim=1) > 0.3).long()

    found = HeldOut(frames, pictures(0.5), names=NAMES, judge=judge).measure(Recoloured(0.5))
    assert found["fcn"] == pytest.approx(1, abs=0.02)
