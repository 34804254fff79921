"""The town is a small stand-in for GTA5 and Cityscapes: reproducible, in their layouts, and with a gap to close."""

from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from PIL import Image

from hflow.datasets.layouts.label_colours import ids_of_official_colours
from hflow.foundation.errors import HflowError
from hflow.foundation.labels import CITYSCAPES, IGNORE
from hflow.town.datasets import build_town, build_town_with_truth
from hflow.town.looks import look_at_night, look_in_haze, look_of_camera, look_of_clear_day, look_of_game
from hflow.town.street import FAR, SUPERSAMPLING, Scene, render_street

SIZE = (96, 48)


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("town")
    build_town(root, seed=3, source=5, target_train=5, target_val=3, size=SIZE)
    return root


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    return [render_street(np.random.default_rng(k), SIZE) for k in range(6)]


def contents(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*.png"))}


def labels_of(town: Path) -> list[np.ndarray]:
    return [
        np.asarray(Image.open(path)) for path in sorted(town.glob("gta5/labels/*")) + sorted(town.rglob("*Ids.png"))
    ]


def test_the_same_seed_gives_the_same_bytes_and_more_pictures_leave_the_earlier_ones_as_they_were(
    town: Path, tmp_path: Path
) -> None:
    build_town(tmp_path, seed=3, source=2, target_train=3, target_val=1, size=SIZE)
    fewer, all_of_them = contents(tmp_path), contents(town)
    assert len(fewer) == 2 * (2 + 3 + 1)
    assert all(all_of_them[name] == picture for name, picture in fewer.items())


def test_another_seed_gives_other_streets(town: Path, tmp_path: Path) -> None:
    build_town(tmp_path, seed=4, source=1, target_train=1, target_val=1, size=SIZE)
    everything = contents(town)
    assert all(everything[name] != picture for name, picture in contents(tmp_path).items())


def test_no_two_pictures_show_the_same_street(town: Path) -> None:
    streets = {labels.tobytes() for labels in labels_of(town)}
    assert len(streets) == 5 + 5 + 3


def test_the_source_is_laid_out_as_gta5(town: Path) -> None:
    names = [f"{k:05d}.png" for k in range(1, 6)]
    assert sorted(path.name for path in (town / "gta5/images").iterdir()) == names
    assert sorted(path.name for path in (town / "gta5/labels").iterdir()) == names
    image, labels = Image.open(town / "gta5/images/00001.png"), Image.open(town / "gta5/labels/00001.png")
    assert (image.mode, image.size) == ("RGB", SIZE)
    assert (labels.mode, labels.size) == ("P", SIZE)
    assert np.array_equal(ids_of_official_colours(np.asarray(labels.convert("RGB"))), np.asarray(labels))


def test_the_target_is_laid_out_as_cityscapes(town: Path) -> None:
    for split, count in (("train", 5), ("val", 3)):
        images = sorted((town / "cityscapes/leftImg8bit" / split).glob("*/*_000019_leftImg8bit.png"))
        assert len(images) == count
        for path in images:
            city = path.parent.name
            assert path.name.startswith(f"{city}_0000")
            stem = path.name.removesuffix("_leftImg8bit.png")
            labels = Image.open(town / "cityscapes/gtFine" / split / city / f"{stem}_gtFine_labelIds.png")
            image = Image.open(path)
            assert (image.mode, image.size, labels.mode, labels.size) == ("RGB", SIZE, "L", SIZE)


def test_training_and_validation_are_different_cities(town: Path) -> None:
    train, val = ({path.name for path in (town / "cityscapes/gtFine" / split).iterdir()} for split in ("train", "val"))
    assert not train & val


def test_every_label_is_a_cityscapes_id_and_at_least_twelve_train_classes_occur(town: Path) -> None:
    found = set(np.unique(labels_of(town)).tolist())
    assert found <= {c.id for c in CITYSCAPES}
    assert len({c.id for c in CITYSCAPES if c.train_id != IGNORE} & found) >= 12


def test_the_camera_is_darker_duller_and_flatter_than_the_game(scenes: list[Scene]) -> None:
    game = np.stack([look_of_game(s, np.random.default_rng(0)) for s in scenes]).astype(float)
    camera = np.stack([look_of_camera(s, np.random.default_rng(0)) for s in scenes]).astype(float)
    assert camera.mean() < 0.8 * game.mean()
    assert camera.std() < 0.75 * game.std()
    assert np.ptp(camera, axis=-1).mean() < 0.5 * np.ptp(game, axis=-1).mean()  # a measure of saturation


def test_the_camera_is_noisier_than_the_game(scenes: list[Scene]) -> None:
    game, camera = (
        [look(scenes[0], np.random.default_rng(seed)).astype(float) for seed in range(8)]
        for look in (look_of_game, look_of_camera)
    )
    assert 3 * rough(game) < rough(camera)


def rough(takes: list[np.ndarray]) -> float:
    """How much takes of one scene differ from pixel to pixel, in 8-bit steps, their exposure and blur aside."""
    steps = [np.diff(take, axis=1) / take.std() * 50 for take in takes]
    return float(np.median(np.std(steps, axis=0)))


def test_no_linear_map_of_colours_turns_the_game_into_the_camera(scenes: list[Scene]) -> None:
    for scene in scenes:
        game = look_of_game(scene, np.random.default_rng(0)).reshape(-1, 3).astype(float)
        camera = look_of_camera(scene, np.random.default_rng(0)).reshape(-1, 3).astype(float)
        inputs = np.column_stack([game, np.ones(len(game))])  # (H * W, 4)
        fitted = inputs @ np.linalg.lstsq(inputs, camera, rcond=None)[0]
        left = ((camera - fitted) ** 2).sum() / ((camera - camera.mean(axis=0)) ** 2).sum()
        assert 0.1 < left < 0.9  # it explains a part, not all


def test_a_scene_says_of_every_pixel_how_far_and_how_lit_it_is(scenes: list[Scene]) -> None:
    width, height = SIZE
    for scene in scenes:
        assert scene.labels.shape == (height, width)
        for field in (scene.depth, scene.sun, scene.ambient, scene.pattern, scene.grain, scene.variant):
            assert field.shape == (height * SUPERSAMPLING, width * SUPERSAMPLING)
            assert np.isfinite(field).all()
        assert scene.depth.min() > 0
        assert 0 <= scene.sun.min() <= scene.sun.max() <= 1


@pytest.mark.parametrize("size", [(64, 32), (65, 40), (90, 90)])
def test_any_size_from_64x32_on_works(size: tuple[int, int]) -> None:
    scene = render_street(np.random.default_rng(0), size)
    for look in (look_of_game, look_of_camera):
        assert look(scene, np.random.default_rng(0)).shape == (size[1], size[0], 3)


def test_a_size_too_small_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(HflowError, match="63x32"):
        build_town(tmp_path, seed=0, source=1, target_train=0, target_val=0, size=(63, 32))


@pytest.mark.parametrize("look", ["night", "haze"])
def test_at_night_and_in_haze_every_frame_has_its_day_beside_it(look: Literal["night", "haze"], tmp_path: Path) -> None:
    build_town_with_truth(tmp_path, look, seed=3, source=3, target_train=2, target_val=2, size=SIZE)
    for split, count in (("train", 3), ("val", 2)):
        images, truths = (sorted((tmp_path / look / split / name).iterdir()) for name in ("images", "truth"))
        assert [path.name for path in images] == [path.name for path in truths]
        assert len(images) == count
    days = [path.read_bytes() for path in sorted((tmp_path / "day/images").iterdir())]
    assert len(days) == 2
    assert not set(days) & {path.read_bytes() for path in (tmp_path / look).rglob("truth/*.png")}


def test_night_is_dark_and_haze_hides_what_is_far(scenes: list[Scene]) -> None:
    for number, scene in enumerate(scenes):
        rng = np.random.default_rng(number)
        day, night, haze = look_of_clear_day(scene), look_at_night(scene, rng), look_in_haze(scene, rng)
        assert night.mean() < 0.4 * day.mean()
        depth = scene.depth[::SUPERSAMPLING, ::SUPERSAMPLING]
        near, far = (np.percentile(haze[place], 10) for place in (depth < 20, (depth > 60) & (depth < FAR)))
        assert far > near > np.percentile(day[depth < 20], 10)  # even what is dark
