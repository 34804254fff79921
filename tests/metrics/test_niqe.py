"""NIQE is that of a published implementation, and rises where an image is spoilt."""

from importlib.util import find_spec

import numpy as np
import pytest
from skimage import data
from skimage.color import gray2rgb

from hflow.metrics.niqe import BLOCK, block_statistics, niqe

BASICSR = {
    "astronaut": 3.0649,
    "chelsea": 2.6255,
    "coffee": 4.1152,
    "camera": 3.1552,
    "coins": 3.6359,
    "brick": 10.0010,
    "grass": 6.3467,
    "gravel": 4.2299,
    "moon": 8.5297,
    "immunohistochemistry": 3.2954,
}
"""What `calculate_niqe` of basicsr 1.4.2, without a border, gives for ten images that scikit-image has in itself; it
computes in float32, in which flat blocks come out a little otherwise."""


def _picture(name: str) -> np.ndarray:
    pixels = getattr(data, name)()
    return gray2rgb(pixels) if pixels.ndim == 2 else pixels


@pytest.mark.skipif(not find_spec("basicsr"), reason="basicsr, which has the pristine model, is not installed")
@pytest.mark.parametrize("name", BASICSR)
def test_it_is_what_basicsr_gives(name: str) -> None:
    assert niqe(_picture(name)) == pytest.approx(BASICSR[name], abs=0.04)


@pytest.fixture
def _fitted_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pristine model of a few photographs of scikit-image's, in place of the authors'."""
    blocks = np.concatenate([block_statistics(_picture(name)) for name in ("astronaut", "coffee", "camera")])
    whole = blocks[np.isfinite(blocks).all(axis=1)]
    model = whole.mean(axis=0), np.cov(whole, rowvar=False)
    monkeypatch.setattr("hflow.metrics.niqe._pristine", lambda: model)


@pytest.mark.usefixtures("_fitted_here")
def test_noise_and_posterised_colours_are_less_natural() -> None:
    picture = _picture("chelsea")
    noisy = np.clip(picture + np.random.default_rng(0).normal(0, 25, picture.shape), 0, 255).astype(np.uint8)
    clean = niqe(picture)
    assert clean is not None
    assert all((found := niqe(spoilt)) is not None and found > clean + 1 for spoilt in (noisy, picture // 64 * 64))


@pytest.mark.usefixtures("_fitted_here")
def test_an_image_of_less_than_two_blocks_or_of_one_colour_has_none() -> None:
    picture = _picture("chelsea")
    assert niqe(picture[:BLOCK, : 2 * BLOCK - 1]) is None
    assert niqe(picture[:BLOCK, : 2 * BLOCK]) is not None
    assert niqe(np.full((2 * BLOCK, 2 * BLOCK, 3), 127, np.uint8)) is None


def test_without_the_pristine_model_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hflow.metrics.niqe._pristine", lambda: None)
    assert niqe(_picture("chelsea")) is None
