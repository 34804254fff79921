"""Small generated datasets for tests."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from hflow.foundation.labels import ids_to_colours

__all__ = ["random_picture", "write_carried", "write_cityscapes", "write_folder", "write_gta"]

ROAD, SKY, CAR = 7, 23, 26


def random_picture(seed: int, size: tuple[int, int] = (48, 24)) -> np.ndarray:
    """Soft colours, uint8 (H, W, 3)."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (4, 6, 3), dtype=np.uint8))
    return np.asarray(coarse.resize(size, Image.Resampling.BICUBIC))


def street_ids(seed: int, size: tuple[int, int] = (48, 24)) -> np.ndarray:
    """Sky over road with a car, as Cityscapes label ids, uint8 (H, W)."""
    ids = np.full((size[1], size[0]), SKY, np.uint8)
    ids[size[1] // 2 :] = ROAD
    ids[size[1] // 3 : size[1] // 2, seed % 8 : seed % 8 + 12] = CAR
    return ids


def write_gta(root: Path, count: int, size: tuple[int, int] = (48, 24)) -> Path:
    """A GTA5 of `count` frames, labels in the official colours."""
    for i in range(count):
        _save(random_picture(i, size), root / "images" / f"{i:05d}.png")
        _save(ids_to_colours(street_ids(i, size)), root / "labels" / f"{i:05d}.png")
    return root


def write_cityscapes(root: Path, splits: Sequence[tuple[str, int]], size: tuple[int, int] = (48, 24)) -> Path:
    """A Cityscapes of so many images a split."""
    for split, count in splits:
        for i in range(count):
            name = f"{split}/aville/aville_{i:06d}_000019"
            _save(random_picture(1000 + i, size), root / "leftImg8bit" / f"{name}_leftImg8bit.png")
            _save(street_ids(i, size), root / "gtFine" / f"{name}_gtFine_labelIds.png")
    return root


def write_folder(root: Path, count: int, size: tuple[int, int] = (48, 24), *, labels: bool = True) -> Path:
    """A dataset of the layout folder, ids 0 sky, 1 road, 2 car."""
    for i in range(count):
        _save(random_picture(i, size), root / "images" / f"town/{i}.png")
        if labels:
            ids = np.select([street_ids(i, size) == ROAD, street_ids(i, size) == CAR], [1, 2], 0)
            _save(ids.astype(np.uint8), root / "labels" / f"town/{i}.png")
    if labels:
        (root / "classes.yaml").write_text("0: sky\n1: road\n2: car\n")
    return root


def write_carried(root: Path, images: str = "images") -> Path:
    """Beside every image its depth, 16 bits, and its camera, JSON; in the layouts gta and folder."""
    for image in sorted((root / images).rglob("*.png")):
        depth, camera = (
            root / kind / image.relative_to(root / images).with_suffix(suffix)
            for kind, suffix in (("depth", ".png"), ("camera", ".json"))
        )
        with Image.open(image) as opened:
            _save(np.full((opened.height, opened.width), 300 + len(image.stem), np.uint16), depth)
        camera.parent.mkdir(parents=True, exist_ok=True)
        camera.write_text(f'{{"of": "{image.stem}"}}')
    return root


def _save(pixels: np.ndarray, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
