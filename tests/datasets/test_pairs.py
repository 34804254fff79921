"""Pairs: which crops a step sees depends on the seed and its number alone."""

from typing import Any

import pytest
import torch

from hflow.datasets.images import encode_png
from hflow.datasets.pairs import Pairs
from hflow.foundation.errors import HflowError
from tests.pictures import random_picture


def _pairs(seed: int = 0, **options: Any) -> Pairs:
    rows = [{"key": str(i), "image": {"bytes": encode_png(random_picture(i))}} for i in range(8)]
    return Pairs(
        rows, rows[::-1], **{"seed": seed, "size": None, "crop": (20, 12), "flip": True, "length": 100} | options
    )


def test_a_pair_is_the_same_whenever_it_is_asked_for() -> None:
    first, second = _pairs(), _pairs()
    second[5]
    for index in (7, 3):
        assert all(torch.equal(a, b) for a, b in zip(first[index], second[index], strict=True))


def test_pairs_differ_by_number_and_by_seed() -> None:
    crops = [_pairs(seed)[index][0] for seed in (0, 1) for index in (0, 1)]
    assert all(not torch.equal(a, b) for i, a in enumerate(crops) for b in crops[:i])


def test_crops_are_of_the_size_asked_for_in_range() -> None:
    content, style = _pairs(size=(40, 20))[0]
    assert content.shape == style.shape == (3, 12, 20)
    assert content.dtype == torch.float32
    assert content.min() >= 0
    assert content.max() <= 1


def test_without_a_crop_the_whole_image_is_taken() -> None:
    assert _pairs(crop=None)[0][0].shape == (3, 24, 48)


def test_a_crop_larger_than_the_image_is_refused() -> None:
    with pytest.raises(HflowError, match=r"train\.crop 50x12 is larger than"):
        _pairs(crop=(50, 12))[0]
