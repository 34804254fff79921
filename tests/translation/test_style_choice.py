"""Which style a frame gets."""

import numpy as np
import pytest

from hflow.foundation.errors import HflowError
from hflow.translation.style_choice import StyleChoice, choose_style, layout

PICTURES = np.random.default_rng(0).integers(0, 256, (30, 40, 64, 3), np.uint8)  # (S, H, W, 3)
LAYOUTS = np.stack([layout(pixels) for pixels in PICTURES])  # (S, 128)


def test_a_layout_tells_light_from_dark_and_neither_brightness_nor_contrast_nor_size() -> None:
    picture = PICTURES[0] // 2
    assert np.linalg.norm(layout(picture)) == pytest.approx(1)
    assert layout(picture) @ layout(picture + 60) == pytest.approx(1, abs=1e-3)
    assert layout(picture) @ layout(picture.repeat(2, 0).repeat(2, 1)) == pytest.approx(1, abs=1e-3)
    assert layout(picture) @ layout(255 - picture) == pytest.approx(-1, abs=1e-2)
    assert not layout(np.full((20, 20, 3), 7, np.uint8)).any()


def test_the_nearest_style_is_the_one_laid_out_most_alike() -> None:
    choice = StyleChoice(0, len(PICTURES), 1, LAYOUTS)
    assert [choice("any", pixels // 2 + 9) for pixels in PICTURES] == list(range(len(PICTURES)))


def test_the_lot_is_drawn_among_the_nearest_alone_and_by_key() -> None:
    choice = StyleChoice(0, len(PICTURES), 4, LAYOUTS)
    nearest = set(np.argsort(-LAYOUTS @ layout(PICTURES[3]))[:4])
    assert {choice(str(i), PICTURES[3]) for i in range(100)} == nearest
    assert len({choice("a key", pixels) for pixels in PICTURES}) > 10


@pytest.mark.parametrize("nearest", [None, 30, 1000])
def test_all_are_drawn_from_without_a_bound_and_with_one_beyond_them(nearest: int | None) -> None:
    choice = StyleChoice(5, len(PICTURES), nearest, LAYOUTS)
    drawn = {choice(str(i), PICTURES[0]) for i in range(1000)}
    assert drawn == set(range(len(PICTURES)))
    if nearest is None:
        assert choice("a key", PICTURES[0]) == choose_style(5, "a key", len(PICTURES))


def test_a_model_that_knows_no_layouts_is_named() -> None:
    with pytest.raises(HflowError, match=r"translate.nearest is 3.*train it again"):
        StyleChoice(0, 10, 3)
