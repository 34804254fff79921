"""The baselines do what their papers say, and give an image that is its own style back."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.color import rgb2lab

from hflow.baselines.recolouring import fda, gpa, histogram, reinhard
from tests.pictures import random_picture

METHODS = {
    "histogram": histogram,
    "reinhard": reinhard,
    "gpa": gpa,
    "fda": lambda frame, style: fda(frame, style, beta=0.1),
}


def _soft(seed: int, size: tuple[int, int] = (48, 24)) -> np.ndarray:
    """A picture of few and muted colours, so that no transfer leaves what RGB can show."""
    return (96 + random_picture(seed, size) // 4).astype(np.uint8)


@pytest.mark.parametrize("name", METHODS)
@settings(max_examples=20)
@given(seed=st.integers(0, 10_000))
def test_an_image_that_is_its_own_style_stays(name: str, seed: int) -> None:
    frame = random_picture(seed)
    difference = METHODS[name](frame, frame).astype(int) - frame
    assert np.abs(difference).max() <= 1


@pytest.mark.parametrize("name", METHODS)
def test_size_is_the_frames_whatever_the_styles_and_neither_is_written_to(name: str) -> None:
    frame, style = random_picture(0, (48, 24)), random_picture(1, (30, 40))
    before = frame.copy(), style.copy()
    out = METHODS[name](frame, style)
    assert (out.shape, out.dtype) == (frame.shape, np.uint8)
    assert not np.array_equal(out, frame)
    assert np.array_equal(frame, before[0])
    assert np.array_equal(style, before[1])


@settings(max_examples=20)
@given(seed=st.integers(0, 10_000))
def test_reinhard_gives_the_styles_mean_and_spread(seed: int) -> None:
    style = _soft(seed)
    out = rgb2lab(reinhard(_soft(seed + 1), style))
    assert out.mean(axis=(0, 1)) == pytest.approx(rgb2lab(style).mean(axis=(0, 1)), abs=0.15)
    assert out.std(axis=(0, 1)) == pytest.approx(rgb2lab(style).std(axis=(0, 1)), abs=0.15)


def test_reinhard_of_a_frame_of_one_colour_is_the_styles_mean() -> None:
    style = _soft(0)
    out = rgb2lab(reinhard(np.full((8, 8, 3), 50, np.uint8), style))
    assert out.mean(axis=(0, 1)) == pytest.approx(rgb2lab(style).mean(axis=(0, 1)), abs=0.5)


def test_matching_gives_the_styles_histogram_and_keeps_the_order() -> None:
    frame, style = random_picture(0, (96, 64)), random_picture(1, (96, 64))
    out = histogram(frame, style)
    for channel in range(3):
        deciles = np.arange(5, 100, 10)
        given_, wanted = (np.percentile(image[..., channel], deciles) for image in (out, style))
        assert given_ == pytest.approx(wanted, abs=2)
        order = np.argsort(frame[..., channel], axis=None)
        assert (np.diff(out[..., channel].ravel()[order].astype(int)) >= 0).all()


@pytest.mark.parametrize("size", [(48, 24), (31, 17)])
def test_fda_with_beta_0_is_the_identity(size: tuple[int, int]) -> None:
    frame = random_picture(0, size)
    assert np.array_equal(fda(frame, random_picture(1), beta=0), frame)


@pytest.mark.parametrize("size", [(48, 24), (31, 17)])
def test_fda_takes_the_styles_low_amplitudes_and_keeps_phase_and_the_rest(size: tuple[int, int]) -> None:
    """On muted pictures, where nothing is cut off; rounding to grey levels leaves a little."""
    frame, style = _soft(0, size), _soft(1, size)
    out = np.fft.fft2(fda(frame, style, beta=0.1).astype(float), axes=(0, 1))
    content, target = (np.fft.fft2(image.astype(float), axes=(0, 1)) for image in (frame, style))
    reach = int(0.1 * min(size))
    assert reach >= 1
    rounding = 4 * (size[0] * size[1] / 12) ** 0.5
    for row in (-reach, 0, reach):
        for column in (-reach, 0, reach):
            assert np.abs(out[row, column]) == pytest.approx(np.abs(target[row, column]), abs=rounding)
            assert np.abs(out[row, column + 2 * reach + 1] - content[row, column + 2 * reach + 1]).max() < rounding
    strong = np.abs(content) * (np.abs(out) > 20 * rounding) > 20 * rounding
    assert strong.sum() > 3
    assert np.cos(np.angle(out[strong]) - np.angle(content[strong])).min() > 0.98


def test_more_beta_takes_more() -> None:
    frame, style = random_picture(0), random_picture(1)
    changed = [np.abs(fda(frame, style, beta=beta).astype(int) - frame).mean() for beta in (0.01, 0.1, 0.5)]
    assert changed == sorted(changed)


def test_gpa_gives_the_styles_colours_and_its_mean_lightness_and_keeps_the_order_of_light_and_dark() -> None:
    frame, style = _soft(0), (_soft(1) // 2).astype(np.uint8)
    before, after, wanted = (rgb2lab(image) for image in (frame, gpa(frame, style, beta=0.0), style))
    assert np.abs(after.mean(axis=(0, 1)) - wanted.mean(axis=(0, 1))).max() < 2
    order = np.argsort(before[..., 0], axis=None)
    assert np.diff(after[..., 0].ravel()[order]).min() > -1.5
