"""Which style a frame, or a sequence of frames, gets: by lot among all, a group, or those of images laid out alike."""

import re
from collections.abc import Sequence
from hashlib import sha256

import numpy as np
from PIL import Image

from hflow.foundation.errors import HflowError
from hflow.foundation.params import StyleParams
from hflow.model.store import StyleBank

__all__ = ["LAYOUT", "StyleChoice", "choose_style", "layout"]

LAYOUT = (16, 8)
"""Fields of a picture's width and height."""


def choose_style(seed: int, key: str, count: int) -> int:
    """Which of `count` styles a frame gets: by hash of seed and key, so that it is the same whatever else there is."""
    return _lot(seed, key) % count


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

    With `style_by: sequence` the name of the frame's sequence takes the place of its key, so that neighbours in a drive
    come out alike whatever shards they are in.

    Args:
        params: of the choice.
        keys: of the images that the styles are of.
        layouts: of these images, (S, 128); needed for `nearest`.

    Raises:
        HflowError: `nearest` is given, and no layouts; or `style_group` matches no key.
    """

    def __init__(self, params: StyleParams, keys: Sequence[str], layouts: np.ndarray | None = None):
        if params.nearest is not None and layouts is None:
            raise HflowError(
                f"translate.nearest is {params.nearest}, and the model knows no layouts of its style images: train it "
                "again, or set nearest to null"
            )
        self._params = params
        self._groups = _groups(keys, params.style_group)
        self._layouts = None if params.nearest is None else layouts

    @classmethod
    def of(cls, styles: StyleBank, params: StyleParams) -> "StyleChoice":
        """The choice among a model's styles; raises as the constructor."""
        return cls(params, styles.keys, None if styles.layouts is None else styles.layouts.numpy())

    def __call__(self, key: str, pixels: np.ndarray) -> int:
        """The number of the style for the frame `pixels`, (H, W, 3), uint8.

        Raises:
            HflowError: as `drawn_for`.
        """
        name, seed = self.drawn_for(key), self._params.seed
        among = self._groups[choose_style(seed, f"group of {name}", len(self._groups))]  # (S,)
        if self._layouts is not None:
            likeness = self._layouts[among] @ layout(pixels)  # (S,)
            among = among[np.argsort(-likeness, kind="stable")[: self._params.nearest]]
        return int(among[choose_style(seed, name, len(among))])

    def lot(self, name: str) -> int:
        """A number of 64 bits for a name, by the seed."""
        return _lot(self._params.seed, name)

    def drawn_for(self, key: str) -> str:
        """The name that a frame's style is drawn for: its key, or that of its sequence.

        Raises:
            HflowError: `sequence` matches no part of the key.
        """
        if self._params.style_by == "frame":
            return key
        if self._params.sequence is None:
            return key.rpartition("/")[0]
        name = _matched(self._params.sequence, key)
        if name is None:
            raise HflowError(
                f"translate.sequence {self._params.sequence!r} matches no part of the key {key!r}: correct it so that "
                "it names the sequence of every frame, or set it to null for the key's folder"
            )
        return name


def _lot(seed: int, name: str) -> int:
    return int.from_bytes(sha256(f"{seed}:{name}".encode()).digest()[:8])


def _groups(keys: Sequence[str], pattern: str | None) -> list[np.ndarray]:
    """The numbers of the styles of each group, (S,), groups by name; without a pattern all are one group."""
    if pattern is None:
        return [np.arange(len(keys))]
    members: dict[str, list[int]] = {}
    for number, key in enumerate(keys):
        name = _matched(pattern, key)
        if name is not None:
            members.setdefault(name, []).append(number)
    if not members:
        raise HflowError(
            f"translate.style_group {pattern!r} matches no part of any style image's key, such as "
            f"{next(iter(keys), '')!r}: correct it, or set it to null"
        )
    return [np.array(members[name]) for name in sorted(members)]


def _matched(pattern: str, key: str) -> str | None:
    """What the pattern's first group, or without one the whole pattern, matches in the key; None where it doesn't."""
    found = re.search(pattern, key)
    return found and found[1 if found.re.groups else 0]
