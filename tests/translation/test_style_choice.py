"""Which style a frame gets."""

from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hflow.foundation.errors import HflowError
from hflow.foundation.params import StyleParams
from hflow.translation.style_choice import StyleChoice, choose_style, layout

PICTURES = np.random.default_rng(0).integers(0, 256, (30, 40, 64, 3), np.uint8)  # (S, H, W, 3)
KEYS = [f"{place}/{i}" for place in ("day", "night", "rain") for i in range(10)]
LAYOUTS = np.stack([layout(pixels) for pixels in PICTURES])  # (S, 128)


def test_the_style_of_a_frame_depends_on_seed_and_key_alone() -> None:
    choices = [choose_style(0, str(i), 10) for i in range(1000)]
    assert choices == [choose_style(0, str(i), 10) for i in range(1000)]
    assert choices != [choose_style(1, str(i), 10) for i in range(1000)]
    assert all(60 < choices.count(style) < 140 for style in range(10))


def test_a_layout_tells_light_from_dark_and_neither_brightness_nor_contrast_nor_size() -> None:
    picture = PICTURES[0] // 2
    assert np.linalg.norm(layout(picture)) == pytest.approx(1)
    assert layout(picture) @ layout(picture + 60) == pytest.approx(1, abs=1e-3)
    assert layout(picture) @ layout(picture.repeat(2, 0).repeat(2, 1)) == pytest.approx(1, abs=1e-3)
    assert layout(picture) @ layout(255 - picture) == pytest.approx(-1, abs=1e-2)
    assert not layout(np.full((20, 20, 3), 7, np.uint8)).any()


def test_the_nearest_style_is_the_one_laid_out_most_alike() -> None:
    choice = StyleChoice(StyleParams(nearest=1), KEYS, LAYOUTS)
    assert [choice("any", pixels // 2 + 9) for pixels in PICTURES] == list(range(len(PICTURES)))


def test_the_lot_is_drawn_among_the_nearest_alone_and_by_key() -> None:
    choice = StyleChoice(StyleParams(nearest=4), KEYS, LAYOUTS)
    nearest = set(np.argsort(-LAYOUTS @ layout(PICTURES[3]))[:4])
    assert {choice(str(i), PICTURES[3]) for i in range(100)} == nearest
    assert len({choice("a key", pixels) for pixels in PICTURES}) > 10


@pytest.mark.parametrize("nearest", [None, 30, 1000])
def test_all_are_drawn_from_without_a_bound_and_with_one_beyond_them(nearest: int | None) -> None:
    choice = StyleChoice(StyleParams(seed=5, nearest=nearest), KEYS, LAYOUTS)
    drawn = {choice(str(i), PICTURES[0]) for i in range(1000)}
    assert drawn == set(range(len(PICTURES)))
    if nearest is None:
        assert choice("a key", PICTURES[0]) == choose_style(5, "a key", len(PICTURES))


def test_a_model_that_knows_no_layouts_is_named() -> None:
    with pytest.raises(HflowError, match=r"translate.nearest is 3.*train it again"):
        StyleChoice(StyleParams(nearest=3), KEYS)


NAMES = st.from_regex(r"[a-z]{1,3}(/[a-z]{1,3})?", fullmatch=True)
FRAMES = st.lists(st.tuples(NAMES, st.from_regex(r"[0-9]{1,4}", fullmatch=True)), min_size=1, max_size=20)
DRIVE = {"style_by": "sequence", "sequence": r"^(.+)_\d+$"}


@given(seed=st.integers(0, 2**31 - 1), frames=FRAMES, order=st.randoms())
def test_all_frames_of_a_sequence_get_one_style_in_whatever_order(
    seed: int, frames: list[tuple[str, str]], order: Random
) -> None:
    by_folder = StyleChoice(StyleParams(seed=seed, style_by="sequence"), KEYS)
    by_pattern = StyleChoice(StyleParams.model_validate({"seed": seed, **DRIVE}), KEYS)
    alone = {name: by_pattern(f"{name}_0", PICTURES[0]) for name, _ in frames}
    order.shuffle(frames)
    for name, number in frames:
        pixels = PICTURES[int(number) % len(PICTURES)]
        assert by_pattern(f"{name}_{number}", pixels) == by_folder(f"{name}/{number}", pixels) == alone[name]


def test_sequences_and_seeds_draw_apart_and_reach_every_style() -> None:
    def styles(seed: int) -> list[int]:
        choice = StyleChoice(StyleParams(seed=seed, style_by="sequence"), KEYS)
        return [choice(f"drive{i}/0", PICTURES[0]) for i in range(300)]

    assert set(styles(0)) == set(range(len(KEYS)))
    assert sum(a == b for a, b in zip(styles(0), styles(1), strict=True)) < 30


def test_a_group_is_drawn_and_then_a_style_of_it() -> None:
    choice = StyleChoice(StyleParams(style_group="^([^/]+)/"), ["day/a", *(f"night/{i}" for i in range(9))])
    drawn = [choice(str(i), PICTURES[0]) for i in range(1000)]
    assert 400 < drawn.count(0) < 600  # each group as often as the other, however many images it has
    assert set(drawn) == set(range(10))


@given(seed=st.integers(0, 2**31 - 1), key=NAMES, nearest=st.none() | st.integers(1, 40))
def test_what_the_group_pattern_does_not_match_is_no_style(seed: int, key: str, nearest: int | None) -> None:
    params = StyleParams(seed=seed, nearest=nearest, style_group="(night|rain)/")
    assert KEYS[StyleChoice(params, KEYS, LAYOUTS)(key, PICTURES[0])].startswith(("night/", "rain/"))


def test_a_pattern_that_matches_nothing_is_named() -> None:
    with pytest.raises(HflowError, match=r"translate.sequence .* matches no part of the key 'frame'"):
        StyleChoice(StyleParams.model_validate(DRIVE), KEYS)("frame", PICTURES[0])
    with pytest.raises(HflowError, match=r"translate.style_group 'fog' matches no part .* such as 'day/0'"):
        StyleChoice(StyleParams(style_group="fog"), KEYS)
