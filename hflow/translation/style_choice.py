"""Which style a frame gets: by lot among all, or among those of the images that are laid out most like it."""

from hashlib import sha256

import numpy as np
from PIL import Image

from hflow.foundation.errors import HflowError

__all__ = ["LAYOUT", "StyleChoice", "choose_style", "layout"]

LAYOUT = (16, 8)
"""Fields of a picture's width and height."""


def choose_style(seed: int, key: str, count: int) -> int:
    """Which of `count` styles a frame gets: by hash of seed and key, so that it is the same whatever else there is."""
    return int.from_bytes(sha256(f"{seed}:{key}".encode()).digest()[:8]) % count


def layout(pixels: np.ndarray) -> np.ndarray:
    """What is light and what is dark where, (128,), float32: grey means of fields, less their mean, of length 1.

    Args:
        pixels: (H, W, 3), uint8.
    """
    fields = Image.fromarray(pixels).convert("L").resize(LAYOUT, Image.Resampling.BOX)
    values = np.asarray(fields, np.float32).ravel()  # (128,)
    values = values - values.mean()
    length = float(np.linalg.norm(values))
    return values / length if length else values


class StyleChoice:
    """Chooses a style for each frame: by seed, key and, with `nearest`, the frame's layout; by nothing else.

    Args:
        seed: of the lot.
        count: of styles.
        nearest: among how many styles the lot is drawn, those whose layouts correlate most with the frame's; None is
            all.
        layouts: of the images that the styles are of, (count, 128); needed for `nearest`.

    Raises:
        HflowError: `nearest` is given, and no layouts.
    """

    def __init__(self, seed: int, count: int, nearest: int | None = None, layouts: np.ndarray | None = None):
        self.seed, self.count, self.nearest = seed, count, min(nearest or count, count)
        if nearest is not None and layouts is None:
            raise HflowError(
                f"translate.nearest is {nearest}, and the model knows no layouts of its style images: train it again, "
                "or set nearest to null"
            )
        self._layouts = None if nearest is None else layouts

    def __call__(self, key: str, pixels: np.ndarray) -> int:
        """The number of the style for the frame `pixels`, (H, W, 3), uint8."""
        if self._layouts is None:
            return choose_style(self.seed, key, self.count)
        likeness = self._layouts @ layout(pixels)  # (S,)
        among = np.argsort(-likeness, kind="stable")[: self.nearest]
        return int(among[choose_style(self.seed, key, self.nearest)])
