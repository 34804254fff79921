"""Which frames of a dataset are exported, and at which size."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from PIL import Image

from hflow.datasets.images import decode_ids, encode_png, fit_image, open_rgb
from hflow.datasets.manifest import Manifest
from hflow.foundation.errors import HflowError

__all__ = ["Selection"]


@dataclass(frozen=True)
class Selection:
    """The part of a dataset that is exported.

    Attributes:
        split: train or val; None is both.
        min_consistency: a frame whose consistency is less counts as rejected; 0 takes all.
        size: (width, height) of images and labels in pixels; None keeps each frame's own.
    """

    split: str | None = None
    min_consistency: float = 0.0
    size: tuple[int, int] | None = None

    def manifest(self, given: Manifest) -> Manifest:
        """The manifest of what is exported: the split's rows, what is left out as rejected, images of the new size.

        Raises:
            HflowError: a frame has no consistency, files are carried that can't be resized, or no frame is left.
        """
        rows = [self._row(row) for row in given.rows if self.split in (None, row["split"])]
        chosen = replace(given, rows=rows)
        if not chosen.frames:
            asked = ", ".join(f"{name} {value}" for name, value in self.told.items() if name != "size")
            raise HflowError(f"{given.path.parent} has no frame of {asked}: ask for less")
        return chosen

    @property
    def told(self) -> dict[str, Any]:
        """What was asked for, by the words of the card."""
        size = self.size and f"{self.size[0]}x{self.size[1]}"
        asked = {"split": self.split, "consistency of at least": self.min_consistency, "size": size}
        return {name: value for name, value in asked.items() if value}

    def resized(self, image: bytes, labels: Sequence[bytes | None]) -> tuple[bytes, list[bytes | None]]:
        """An encoded image and its label maps at the size asked for, as PNG: bicubic, and by nearest neighbour.

        What another aspect ratio has too much is cut off evenly, as `prepare.fit: crop` does.
        """
        size = self.size
        if size is None:
            return image, list(labels)
        cut = [label and _resized_ids(label, size) for label in labels]
        return encode_png(fit_image(open_rgb(image), size, "crop")), cut

    def _row(self, row: dict[str, Any]) -> dict[str, Any]:
        if row["status"] == "rejected":
            return row
        if self.min_consistency and row["consistency"] is None:
            raise HflowError(
                f"{row['key']!r} has no consistency, which --min-consistency asks for: "
                "translate with translate.judge, or export without it"
            )
        if self.min_consistency and row["consistency"] < np.float32(self.min_consistency):  # as it is stored
            reason = f"its consistency is {row['consistency']:.3f}, and --min-consistency {self.min_consistency:g}"
            return row | {"status": "rejected", "shard": None, "reason": reason}
        if self.size and row["carried_sha256"]:
            raise HflowError(
                f"{row['key']!r} carries {row['carried_sha256'][0]['name']}, which is handed on byte for byte and "
                "can't be resized: export without --size"
            )
        return row | {"width": self.size[0], "height": self.size[1]} if self.size else row


def _resized_ids(label: bytes, size: tuple[int, int]) -> bytes:
    return encode_png(fit_image(Image.fromarray(decode_ids(label)), size, "crop", nearest=True))
