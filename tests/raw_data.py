"""Raw datasets for tests, in the forms that their authors give them."""

import struct
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from hflow.foundation.labels import GTA5_COLOURS
from tests.pictures import random_picture

__all__ = ["gta5_label", "picture", "save", "sixteen_bit_png", "write_pair"]


def save(image: Image.Image | np.ndarray, path: Path, **options: object) -> Path:
    """Write an image to a file, its folders made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(path, **options)
    return path


def picture(seed: int = 0, size: tuple[int, int] = (48, 24)) -> Image.Image:
    return Image.fromarray(random_picture(seed, size))


def gta5_label(ids: np.ndarray, colours: Mapping[int, tuple[int, int, int]] = GTA5_COLOURS) -> Image.Image:
    """A label as GTA5 ships it: the ids as indices of a palette."""
    label = Image.fromarray(ids.astype(np.uint8), "P")
    palette = [0] * 768
    for raw_id, colour in colours.items():
        palette[3 * raw_id : 3 * raw_id + 3] = colour
    label.putpalette(palette)
    return label


def write_pair(root: Path, key: str, label: Image.Image | np.ndarray | None, *, seed: int = 0) -> None:
    """images/KEY.png, and labels/KEY.png where there is a label, both of the label's size."""
    shape = np.asarray(label).shape[:2] if label is not None else (24, 48)
    save(picture(seed, (shape[1], shape[0])), root / "images" / f"{key}.png")
    if label is not None:
        save(label, root / "labels" / f"{key}.png")


def sixteen_bit_png(pixels: np.ndarray, path: Path) -> Path:
    """Write uint16 (H, W, 3) as a PNG of 16 bits a channel, which Pillow does not."""
    height, width = pixels.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    )
    return path
