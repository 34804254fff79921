"""Measures of a network on frames that it is not trained on: whether training makes them better than its start did."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hflow.datasets.pairs import whole_ids, whole_image
from hflow.datasets.shards import ShardSet
from hflow.datasets.tensors import to_pixels, to_tensor
from hflow.foundation.atomic_files import csv_bytes
from hflow.foundation.errors import HflowError
from hflow.foundation.evenly_spaced import evenly_spaced
from hflow.metrics.colour_error import class_statistics, colour_error, mean_class_error, pooled
from hflow.metrics.feature_spaces import load_feature_space
from hflow.metrics.fid_kid import FeatureSpace, FeatureSummary, kid
from hflow.metrics.invented_detail import invented_detail
from hflow.metrics.segmentation import confusion_matrix, segment_scores
from hflow.metrics.ssim_psnr import ssim
from hflow.segmentation.judge import Judge
from hflow.training.whole_images import MOST_PIXELS

__all__ = ["HeldOut", "measures_table"]

FRAMES, TYPICAL, LEAST_SIDE = 16, 48, 11
LEAST_IMAGES = 4
MEASURES = ("invented_detail", "colour_error", "class_colour_error", "ssim", "kid", "fcn_score")


class HeldOut:
    """Sixteen frames at most, each with a style image, and what their translations are measured against.

    Args:
        frames: shards of frames that no step sees, from which they are taken evenly spaced.
        source: shards of the frames trained on, whose last ones are taken where `frames` has none.
        target: shards of the target's training images: the styles, evenly spaced.
        size: (width, height) that images are resized to, as in training; None leaves them. Those of more than a
            megapixel are made smaller, since the network takes them whole.
        judge: reads the translated frames against their labels; None leaves the FCN score out.
        device: where realism is measured.

    Raises:
        HflowError: a frame is too small for invented detail.
    """

    def __init__(
        self,
        frames: Sequence[Path],
        source: Sequence[Path],
        target: Sequence[Path],
        size: tuple[int, int] | None,
        *,
        judge: Judge | None = None,
        device: torch.device | str = "cpu",
    ):
        columns = ["key", "image", "label_train_ids"]
        ours, seen, styles = (ShardSet(files, columns) for files in (frames, source, target))
        rows = evenly_spaced(ours, FRAMES) if ours else seen[max(0, len(seen) - FRAMES) :]
        self._frames = [_with_ids(row, size) for row in rows]
        for row, (pixels, _) in zip(rows, self._frames, strict=True):
            if min(pixels.shape[:2]) < LEAST_SIDE:
                raise HflowError(
                    f"{row['key']} is {pixels.shape[1]}x{pixels.shape[0]}, too small to be measured in training "
                    f"({LEAST_SIDE} pixels a side): set train.measure_every to 0 or make train.size larger"
                )
        drawn = evenly_spaced(styles, FRAMES)
        self._styles = [whole_image(drawn[i % len(drawn)], size, MOST_PIXELS) for i in range(len(rows))]
        typical = [_with_ids(row, size) for row in evenly_spaced(styles, TYPICAL)]
        self._wanted = pooled([class_statistics(*each) for each in typical])
        self._judge, self._space = judge, load_feature_space("vgg16", device=device)
        self._target = _summary(self._space, [pixels for pixels, _ in typical])

    @torch.no_grad()
    def measure(self, network: Callable[[Tensor, Tensor], Tensor], device: torch.device) -> dict[str, float]:
        """Each measure over the frames as `network` translates them.

        Means over the frames, lower is better: `invented_detail` in grey levels; `colour_error` in CIELAB, between each
        translation and its style image, over the whole picture; `class_colour_error`, class by class against what the
        class is like in the target, where both have labels. `ssim` to the frame: right changes of brightness lower it
        too, but near 0 light and dark are exchanged, which no other of these measures sees. `kid` to the target in the
        VGG-16's features, lower is better, where both have four images or more: of so few it says where a training goes
        and is no published figure. `fcn_score`, the mIoU at which the judge reads the frames, higher is better, where
        they have labels.
        """
        detail, colour, by_class, kept, images = [], [], [], [], []
        read = torch.zeros(0, 0, dtype=torch.int64)
        for (frame, ids), style in zip(self._frames, self._styles, strict=True):
            content = to_tensor(frame)[None].to(device)  # (1, 3, H, W)
            made = network(content, to_tensor(style)[None].to(device))
            pixels = to_pixels(made[0])
            detail.append(invented_detail(content, made).item())
            colour.append(colour_error(pixels, style))
            by_class.append(mean_class_error(pixels, ids, self._wanted))
            kept.append(ssim(made.clamp(0, 1), content).item())
            images.append(pixels)
            if self._judge:
                seen = self._judge.predict(made.clamp(0, 1))[0].cpu()  # (H, W)
                confusion = confusion_matrix(seen, torch.tensor(ids), len(self._judge.classes))
                read = read + confusion if len(read) else confusion
        values = {"invented_detail": float(np.mean(detail)), "colour_error": float(np.mean(colour))}
        values["ssim"] = float(np.mean(kept))
        known = [error for error in by_class if error is not None]
        if known:
            values["class_colour_error"] = float(np.mean(known))
        if min(len(images), self._target.count) >= LEAST_IMAGES:
            values["kid"] = kid(_summary(self._space, images), self._target).mean
        if self._judge and read.any():
            values["fcn_score"] = segment_scores(read, self._judge.classes)["mIoU"]
        return values


def measures_table(points: Sequence[dict[str, float]]) -> bytes:
    """The points, each with its `step`, as CSV with a column a measure, empty where it could not be taken.

    Where nothing was measured, the header alone.
    """
    columns = ("step", *MEASURES)
    rows = [{name: point.get(name, "") for name in columns} for point in points]
    return csv_bytes(rows) if rows else (",".join(columns) + "\r\n").encode()


def _with_ids(row: dict[str, Any], size: tuple[int, int] | None) -> tuple[np.ndarray, np.ndarray]:
    """The image of a row, uint8 (H, W, 3), and its train ids, uint8 (H, W)."""
    pixels = whole_image(row, size, MOST_PIXELS)
    return pixels, whole_ids(row, pixels.shape[:2])


def _summary(space: FeatureSpace, images: Sequence[np.ndarray]) -> FeatureSummary:
    """Of images, uint8 (H, W, 3) each."""
    summary = FeatureSummary(space.dimensions, seed=0)
    for pixels in images:
        summary.add(space.features(torch.tensor(pixels).permute(2, 0, 1)[None]))  # (1, 3, H, W)
    return summary
