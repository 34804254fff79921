"""The train ids that tools for Cityscapes read, whatever classes were trained on."""

from collections.abc import Sequence

import numpy as np

from hflow.datasets.images import decode_ids, encode_png
from hflow.foundation.errors import HflowError
from hflow.foundation.labels import IGNORE, TRAIN_CLASSES, cityscapes_ids, train_id_table

__all__ = ["CityscapesTrainIds"]

INSTEAD = "export as webdataset or imagefolder, which keep the ids as they are"


class CityscapesTrainIds:
    """From labels of Cityscapes ids to the official train ids, 0 to 18, or 255 for what is none of the 19 classes.

    Args:
        classes: what was trained on; None where there are no labels.
        layout: for which they are, for errors to name.

    Raises:
        HflowError: a class is none of the 19.
    """

    def __init__(self, classes: Sequence[str] | None, layout: str):
        other = [name for name in classes or () if name not in TRAIN_CLASSES]
        if other:
            raise HflowError(
                f"the class {other[0]!r} is none of Cityscapes' 19, which tools for the layout {layout} read: {INSTEAD}"
            )
        self._layout = layout
        self._official = train_id_table(cityscapes_ids(), TRAIN_CLASSES)
        self._trained_on = train_id_table(cityscapes_ids(), classes or ())
        self._by_class = np.full(256, IGNORE, np.uint8)
        self._by_class[: len(classes or ())] = [TRAIN_CLASSES.index(name) for name in classes or ()]

    def of(self, key: str, label: bytes | None, train_ids: bytes) -> bytes:
        """The official train ids of a frame, as PNG.

        Args:
            key: of the frame, for errors to name.
            label: its raw ids, as PNG; None where there are none, as of a pseudo-label.
            train_ids: of the classes trained on, as PNG; by these it is seen that the raw ids are those of Cityscapes.

        Raises:
            HflowError: they are others.
        """
        if label is None:
            return encode_png(self._by_class[decode_ids(train_ids)])
        ids = decode_ids(label)
        if not np.array_equal(self._trained_on[ids], decode_ids(train_ids)):
            raise HflowError(
                f"the label of {key!r} has other ids than Cityscapes', which tools for the layout {self._layout} read: "
                f"{INSTEAD}"
            )
        return encode_png(self._official[ids])
