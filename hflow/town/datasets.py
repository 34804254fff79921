"""The town: a miniature GTA5 and a miniature Cityscapes, or frames with their truth, drawn, so that a fresh clone runs
with no download.

Both show streets of the same kind (`hflow.town.street`). What differs is how they look (`hflow.town.looks`).

    build_town(Path("data/town"), seed=0, source=200, target_train=120, target_val=30, size=(160, 80))
"""

from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from hflow.foundation.labels import ids_to_colours
from hflow.town.looks import look_at_night, look_in_haze, look_of_camera, look_of_clear_day, look_of_game
from hflow.town.street import render_street

__all__ = ["build_town", "build_town_with_truth"]

_TRAIN_CITIES = ("ahrenfurt", "birkenau-see", "dornstedt", "elmenbruck")
_VAL_CITIES = ("lindhafen", "wolkenstadt")


def build_town(
    root: Path, *, seed: int, source: int, target_train: int, target_val: int, size: tuple[int, int]
) -> None:
    """Writes ROOT/gta5 and ROOT/cityscapes, each in its official layout.

        gta5/images/00001.png, gta5/labels/00001.png (indexed: label ids, shown in the official colours)
        cityscapes/leftImg8bit/{train,val}/CITY/CITY_000000_000019_leftImg8bit.png
        cityscapes/gtFine/{train,val}/CITY/CITY_000000_000019_gtFine_labelIds.png

    A picture depends on the seed, its part (source, train or val), its place in it and the size alone: a larger count
    adds pictures and leaves the others as they were.

    Args:
        root: made if missing; pictures of these names in it are overwritten.
        seed: not negative.
        source: how many pictures of the game.
        target_train: how many of the camera to train on.
        target_val: how many of the camera to score on.
        size: (width, height) in pixels, at least (64, 32).

    Raises:
        HflowError: a size that is too small.
    """
    for index in range(source):
        rng = np.random.default_rng([seed, 0, index])
        scene = render_street(rng, size)
        name = f"{index + 1:05d}.png"
        _save(Image.fromarray(look_of_game(scene, rng)), root / "gta5/images" / name)
        labels = Image.fromarray(scene.labels)
        labels.putpalette(ids_to_colours(np.arange(256, dtype=np.uint8)).tobytes())
        _save(labels, root / "gta5/labels" / name)
    for domain, split, count, cities in (
        (1, "train", target_train, _TRAIN_CITIES),
        (2, "val", target_val, _VAL_CITIES),
    ):
        for index in range(count):
            rng = np.random.default_rng([seed, domain, index])
            scene = render_street(rng, size)
            city = cities[index % len(cities)]
            stem = f"{split}/{city}/{city}_{index // len(cities):06d}_000019"
            image = Image.fromarray(look_of_camera(scene, rng))
            _save(image, root / "cityscapes/leftImg8bit" / f"{stem}_leftImg8bit.png")
            _save(Image.fromarray(scene.labels), root / "cityscapes/gtFine" / f"{stem}_gtFine_labelIds.png")


def build_town_with_truth(
    root: Path,
    look: Literal["night", "haze"],
    *,
    seed: int,
    source: int,
    target_train: int,
    target_val: int,
    size: tuple[int, int],
) -> None:
    """Writes ROOT/LOOK and ROOT/day in the layout folder, without labels.

        night/{train,val}/images/00001.png, night/{train,val}/truth/00001.png (the same street by day)
        day/images/00001.png (other streets)

    Args:
        root: made if missing; pictures of these names in it are overwritten.
        look: of the frames.
        seed, size: as for `build_town`, and each picture depends on the same.
        source, target_val: how many frames to train on, and how many to measure on.
        target_train: how many pictures by day to train on.

    Raises:
        HflowError: a size that is too small.
    """
    seen = {"night": look_at_night, "haze": look_in_haze}[look]
    for domain, split, count in ((0, "train", source), (2, "val", target_val)):
        for index in range(count):
            rng = np.random.default_rng([seed, domain, index])
            scene = render_street(rng, size)
            name = f"{index + 1:05d}.png"
            _save(Image.fromarray(look_of_clear_day(scene)), root / look / split / "truth" / name)
            _save(Image.fromarray(seen(scene, rng)), root / look / split / "images" / name)
    for index in range(target_train):
        scene = render_street(np.random.default_rng([seed, 1, index]), size)
        _save(Image.fromarray(look_of_clear_day(scene)), root / "day/images" / f"{index + 1:05d}.png")


def _save(image: Image.Image, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)
