"""Label maps as simulators and datasets store them: ids in the red channel, colours."""

from pathlib import Path

import numpy as np

from hflow.datasets.images import open_image, opened
from hflow.foundation.errors import HflowError

__all__ = ["bits_per_channel", "read_label_colours", "read_red"]

_PNG_KINDS_OF_COLOUR = (2, 6)  # RGB and RGBA (PNG specification, section 11.2.2)


def read_red(path: Path) -> np.ndarray:
    """The first channel of a label map in colours, uint8 (H, W); of 16 bits, the numbers as they are stored.

    Raises:
        HflowError: it can't be decoded, has one channel only, or has ids over 255.
    """
    image = open_image(path)
    if image.mode not in ("RGB", "RGBA"):
        raise HflowError(f"holds ids, not colours: its mode is {image.mode}")
    if bits_per_channel(path) != 16:
        return np.asarray(image)[..., 0]
    high, low = np.asarray(image)[..., 0], _low_bytes(path)[..., 0]
    if high.any():
        raise HflowError(f"has ids over 255 or below 0: the first channel goes to {int(high.max()) * 256}")
    return low


def read_label_colours(path: Path) -> np.ndarray:
    """The colours of a label map, uint8 (H, W, 3): RGB, RGBA without its alpha, or a palette's.

    Raises:
        HflowError: it can't be decoded, or has no colours.
    """
    image = open_image(path)
    if image.mode not in ("RGB", "RGBA", "P"):
        raise HflowError(f"holds ids, not colours: its mode is {image.mode}")
    return np.asarray(image.convert("RGB"))


def bits_per_channel(path: Path) -> int:
    """16 for a PNG of RGB or RGBA with 16 bits a channel, else 8."""
    with path.open("rb") as file:
        head = file.read(26)
    is_png = head.startswith(b"\x89PNG") and len(head) == 26
    return 16 if is_png and head[24] == 16 and head[25] in _PNG_KINDS_OF_COLOUR else 8


def _low_bytes(path: Path) -> np.ndarray:
    """The second byte of each number of a PNG of 16 bits a channel, uint8 (H, W, channels)."""
    with opened(path.read_bytes()) as image:
        # Pillow keeps the first byte, which a PNG has as the higher one; told that the lower comes first, the second.
        image.tile = [tile._replace(args=f"{image.mode};16L") for tile in image.tile]
        image.load()
        return np.asarray(image)
