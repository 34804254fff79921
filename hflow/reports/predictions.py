"""What downstream segmenters see in camera images, to be looked at."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hflow.datasets.tensors import to_tensor
from hflow.foundation.contact_sheet import narrowed
from hflow.foundation.evenly_spaced import evenly_spaced
from hflow.foundation.labels import IGNORE
from hflow.segmentation.judge import Judge
from hflow.segmentation.labelled_frames import LabelledFrames

__all__ = ["Prediction", "predict_camera_images"]

SHOWN_WIDTH = 480


@dataclass(frozen=True)
class Prediction:
    """A camera image as segmenters see it.

    Attributes:
        image: uint8 (H, W, 3), at most 480 wide.
        label: train ids, uint8 (H, W).
        seen: what a segmenter predicts, train ids, uint8 (H, W), by the name of the set it was trained on.
        right: the share of labelled pixels that it has right at full size, by the same names; None where no pixel has
            a label.
    """

    key: str
    image: np.ndarray
    label: np.ndarray
    seen: Mapping[str, np.ndarray]
    right: Mapping[str, float | None]


def predict_camera_images(shards: Sequence[Path], segmenters: Mapping[str, Judge], count: int) -> list[Prediction]:
    """Predictions on labelled images, evenly spaced.

    Args:
        shards: of the target's validation set.
        segmenters: by the name of the set that they were trained on, of the same classes; none give no predictions.
        count: how many images.

    Raises:
        HflowError: a shard is damaged.
    """
    if not segmenters:
        return []
    frames = LabelledFrames(shards, next(iter(segmenters.values())).classes)
    predictions = []
    for number in evenly_spaced(range(len(frames)), count):
        pixels, label = frames[number]
        seen = {
            name: segmenter.predict(to_tensor(pixels)[None])[0].cpu().numpy().astype(np.uint8)
            for name, segmenter in segmenters.items()
        }
        counted = label != IGNORE
        predictions.append(
            Prediction(
                key=frames.key(number),
                image=narrowed(pixels, SHOWN_WIDTH),
                label=narrowed(label, SHOWN_WIDTH),
                seen={name: narrowed(ids, SHOWN_WIDTH) for name, ids in seen.items()},
                right={
                    name: float((ids == label)[counted].mean()) if counted.any() else None for name, ids in seen.items()
                },
            )
        )
    return predictions
