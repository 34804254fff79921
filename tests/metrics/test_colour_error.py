"""Colour error: 0 for equal colours, the difference itself for flat ones, by class where a class is in both."""

import numpy as np
import pytest
from skimage.color import lab2rgb

from hflow.baselines.recolouring import reinhard
from hflow.metrics.colour_error import class_colour_error, class_statistics, colour_error, pooled


def flat(lightness: float, a: float, b: float) -> np.ndarray:
    """uint8 (8, 10, 3) of one colour of CIELAB."""
    pixels: np.ndarray = np.rint(255 * lab2rgb(np.full((8, 10, 3), (lightness, a, b), np.float64))).astype(np.uint8)
    return pixels


def test_it_is_zero_for_the_same_colours_in_another_order() -> None:
    picture = np.random.default_rng(0).integers(256, size=(8, 10, 3), dtype=np.uint8)
    assert colour_error(picture, picture[::-1, ::-1]) == pytest.approx(0, abs=1e-9)


def test_of_flat_pictures_it_is_their_distance_in_cielab() -> None:
    assert colour_error(flat(50, 0, 0), flat(60, 0, 0)) == pytest.approx(10, abs=0.5)
    assert colour_error(flat(50, 10, 0), flat(50, 0, 0)) == pytest.approx(10, abs=0.5)


def test_a_transfer_of_colours_brings_it_near_to_zero() -> None:
    random = np.random.default_rng(0)
    frame = random.normal(150, 15, (20, 30, 3)).clip(0, 255).astype(np.uint8)
    style = random.normal((90, 110, 80), 20, (20, 30, 3)).clip(0, 255).astype(np.uint8)
    assert colour_error(reinhard(frame, style), style) < 1.5 < 15 < colour_error(frame, style)


def test_classes_are_compared_each_with_itself_and_small_or_missing_ones_left_out() -> None:
    frame, style = np.concatenate([flat(50, 0, 0), flat(90, 0, 0)]), np.concatenate([flat(50, 0, 0), flat(70, 0, 0)])
    ids = np.repeat([0, 1], 8)[:, None].repeat(10, axis=1)
    ids[0, 0] = 2
    wanted = class_statistics(style, ids)
    assert sorted(wanted) == [0, 1]
    errors = class_colour_error(frame, ids, wanted)
    assert errors[0] == pytest.approx(0, abs=1e-6)
    assert errors[1] == pytest.approx(20, abs=0.7)
    assert class_colour_error(frame, np.where(ids == 1, 255, ids), wanted).keys() == {0}


def test_pooled_statistics_are_the_mean_over_the_pictures_that_show_a_class() -> None:
    ids = np.zeros((8, 10), np.uint8)
    several = [class_statistics(flat(40, 0, 0), ids), class_statistics(flat(60, 0, 0), ids), {}]
    assert pooled(several)[0].mean[0] == pytest.approx(50, abs=0.5)
