"""The classics for dark and hazy pictures do what they promise, and keep size and order."""

import numpy as np
import pytest

from hflow.baselines.enhancement import clahe, dark_channel, gamma
from tests.pictures import random_picture

METHODS = {"gamma": gamma, "clahe": clahe, "dark_channel": dark_channel}


def _street(size: tuple[int, int] = (96, 64)) -> np.ndarray:
    """A picture with something black in every neighbourhood: dark posts before saturated walls."""
    picture = np.zeros((size[1], size[0], 3), np.uint8)
    picture[:, ::4] = (200, 40, 30)
    picture[:, 1::4] = (30, 160, 60)
    return picture


@pytest.mark.parametrize("name", METHODS)
def test_size_is_the_frames_and_neither_picture_is_written_to(name: str) -> None:
    frame, style = random_picture(0, (48, 24)), random_picture(1, (30, 40))
    before = frame.copy(), style.copy()
    out = METHODS[name](frame, style)
    assert (out.shape, out.dtype) == (frame.shape, np.uint8)
    assert np.array_equal(frame, before[0])
    assert np.array_equal(style, before[1])


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("value", [0, 255])
def test_a_picture_of_one_colour_stays_a_picture(name: str, value: int) -> None:
    flat = np.full((24, 32, 3), value, np.uint8)
    assert METHODS[name](flat, flat).shape == flat.shape


def test_gamma_gives_the_styles_mean_and_keeps_the_order() -> None:
    frame, style = random_picture(0) // 6, random_picture(1)
    out = gamma(frame, style)
    assert out.mean() == pytest.approx(style.mean(), abs=2)
    lookup = {int(a): int(b) for a, b in zip(frame.ravel(), out.ravel(), strict=True)}
    assert [lookup[value] for value in sorted(lookup)] == sorted(lookup.values())


def test_clahe_spreads_what_is_dark() -> None:
    frame = random_picture(0, (64, 64)) // 8
    assert clahe(frame, frame).std() > 1.5 * frame.std()


def test_the_dark_channel_prior_takes_haze_away() -> None:
    clear = _street()
    transmission = np.linspace(0.2, 0.9, clear.shape[1])[None, :, None]
    hazy = np.rint(clear * transmission + 230 * (1 - transmission)).astype(np.uint8)
    before, after = (np.abs(picture.astype(int) - clear).mean() for picture in (hazy, dark_channel(hazy, hazy)))
    assert after < before / 2
