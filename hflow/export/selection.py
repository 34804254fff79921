"""Which frames of a dataset are exported, and at which size."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from PIL import Image

from hflow.datasets.images import decode_ids, encode_png, fit_image, open_rgb
from hflow.datasets.manifest import Manifest
from hflow.datasets.manifest_rows import ManifestRows
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
        rows = given.rows if self.split is None else given.rows.having("split", self.split)
        chosen = replace(given, rows=self._fitting(self._consistent(rows)))
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

    def _consistent(self, rows: ManifestRows) -> ManifestRows:
        """With what is less consistent than asked for as rejected."""
        if not self.min_consistency:
            return rows
        present = pc.not_equal(rows.column("status"), "rejected")
        for row in rows.where(pc.and_(present, rows.column("consistency").is_null())):
            raise HflowError(
                f"{row['key']!r} has no consistency, which --min-consistency asks for: "
                "translate with translate.judge, or export without it"
            )
        least = pa.scalar(self.min_consistency, pa.float32())  # as it is stored
        doubtful = pc.and_(present, pc.less(rows.column("consistency"), least)).combine_chunks().fill_null(False)
        reasons = [
            f"its consistency is {value:.3f}, and --min-consistency {self.min_consistency:g}"
            for value in rows.column("consistency").filter(doubtful).to_pylist()
        ]
        return rows.replaced(doubtful, status="rejected", shard=None, reason=pa.array(reasons, pa.string()))

    def _fitting(self, rows: ManifestRows) -> ManifestRows:
        """With images of the size asked for."""
        if not self.size:
            return rows
        present = pc.not_equal(rows.column("status"), "rejected").combine_chunks()
        for row in rows.where(pc.and_(present, rows.column("carried_sha256").is_valid())):
            if row["carried_sha256"]:
                raise HflowError(
                    f"{row['key']!r} carries {row['carried_sha256'][0]['name']}, which is handed on byte for byte and "
                    "can't be resized: export without --size"
                )
        return rows.replaced(present, width=self.size[0], height=self.size[1])


def _resized_ids(label: bytes, size: tuple[int, int]) -> bytes:
    return encode_png(fit_image(Image.fromarray(decode_ids(label)), size, "crop", nearest=True))
