"""The style of each recoloured frame: the image whose code translation takes where its style bank is the target."""

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hflow.datasets.images import decode_rgb, open_rgb
from hflow.datasets.shards import ShardSet, read_rows, read_table
from hflow.foundation.errors import HflowError
from hflow.foundation.evenly_spaced import evenly_spaced
from hflow.foundation.hashes import sha256_file
from hflow.foundation.params import StyleParams
from hflow.translation.chosen_style import AVERAGE, NEAREST, RANDOM
from hflow.translation.style_choice import StyleChoice, layout

__all__ = ["Styles"]

AVERAGED = 256
"""Images whose pixels stand for all of the target's, so many of each that a picture of them is of a usual size."""

THINNED = 2048


class Styles:
    """Gives a frame its style image, and that image's name.

    Args:
        params: of the choice by lot.
        style: as `translate.style`; `average` is a picture of pixels from all target images.
        targets: shards of prepared target images; without any, no frame can be asked for.

    Raises:
        HflowError: there is neither such a key nor such a file, the file is no image, or a shard is damaged.
    """

    def __init__(self, params: StyleParams, style: str, targets: Sequence[Path]):
        self._images = ShardSet(targets, ["key", "image"])
        self._choice: StyleChoice | None = None
        self._one: tuple[np.ndarray, str] | None = None
        self.settings: list[Any] = [params.model_dump(), style]
        keys = [key for path in targets for key in read_table(path, ["key"])["key"].to_pylist()]
        if not keys:
            return
        if style == AVERAGE:
            self._one = self._pixels_of_all(), AVERAGE
        elif style in (RANDOM, NEAREST):
            params = params if style == RANDOM else params.model_copy(update={"nearest": 1})
            layouts = None
            if params.nearest is not None:
                rows = itertools.chain.from_iterable(read_rows(path, ["image"]) for path in targets)
                layouts = np.stack([layout(decode_rgb(row["image"]["bytes"])) for row in rows])
            self._choice = StyleChoice(params, keys, layouts)
        elif style in keys:
            self._one = self._image(keys.index(style))
        elif Path(style).is_file():
            self._one = np.asarray(open_rgb(Path(style))), style
            self.settings.append(sha256_file(Path(style)))
        else:
            raise HflowError(f"translate.style {style!r} is neither an image file nor the key of a target image")

    def __call__(self, key: str, frame: np.ndarray) -> tuple[np.ndarray, str]:
        """The style image, uint8 (h, w, 3), of a frame, uint8 (H, W, 3), and its key."""
        if self._one:
            return self._one
        assert self._choice
        return self._image(self._choice(key, frame))

    def _image(self, number: int) -> tuple[np.ndarray, str]:
        row = self._images[number]
        return decode_rgb(row["image"]["bytes"]), row["key"]

    def _pixels_of_all(self) -> np.ndarray:
        """(N, P, 3): as many pixels, evenly spaced, of each of up to AVERAGED images."""
        images = (self._image(number)[0] for number in evenly_spaced(range(len(self._images)), AVERAGED))
        return np.stack([_thinned(image) for image in images])


def _thinned(image: np.ndarray) -> np.ndarray:
    """(THINNED, 3) of (H, W, 3)."""
    pixels = image.reshape(-1, 3)
    return pixels[np.linspace(0, len(pixels), THINNED, endpoint=False, dtype=np.int64)]
