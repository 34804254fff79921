"""What networks and measures see in batches of images, several batches at a time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from hflow.datasets.tensors import to_bytes
from hflow.metrics.class_changes import seen_before_and_after
from hflow.metrics.closeness import Closeness, closeness
from hflow.metrics.fid_kid import FeatureSpace
from hflow.metrics.invented_detail import invented_detail
from hflow.metrics.lpips import ShiftTolerantVGG
from hflow.metrics.segmentation import confusion_matrix
from hflow.metrics.ssim_psnr import psnr, ssim
from hflow.reports.paired_images import PairedImage, stacked
from hflow.segmentation.judge import Judge
from hflow.segmentation.labelled_frames import train_ids

__all__ = ["SeeingNetworks", "SeenBatch", "features_of"]


@dataclass
class SeenBatch:
    """What the networks see in a batch, against its frames where it has them.

    Attributes:
        features: in the space of FID and KID, (B, D).
        values: of each image the figures of `Fidelity` that are measured in a batch.
        truth: of each image whose frame has a truth.
        confusion, reading: the judge's, (classes, classes).
    """

    features: Tensor
    values: list[list[float]]
    truth: list[Closeness]
    confusion: Tensor
    reading: Tensor


def features_of(batch: Sequence[PairedImage], space: FeatureSpace) -> Tensor:
    """The features of images of one size in a space of FID and KID, (B, D)."""
    return space.features(torch.stack([to_bytes(one.pixels) for one in batch]))


class _Frames:
    """What is seen in the frames of the last batch."""

    def __init__(self, vgg: ShiftTolerantVGG, judge: Judge | None):
        self._vgg, self._judge = vgg, judge
        self._keys: list[str | None] = []

    def see(self, batch: Sequence[PairedImage]) -> None:
        """Look at the frames of a batch, unless it has been done."""
        keys = [one.frame for one in batch]
        if keys != self._keys:
            pixels = [one.original for one in batch if one.original is not None]
            self.pixels = stacked(pixels).to(self._vgg.mean.device)  # (B, 3, H, W)
            self.seen, self.deepest = self._vgg.look(self.pixels)
            self.read = self._judge.predict(self.pixels) if self._judge else None
            self._keys = keys


@dataclass(frozen=True)
class SeeingNetworks:
    """What looks at images; several threads may call it at once."""

    space: FeatureSpace
    vgg: ShiftTolerantVGG
    judge: Judge | None

    def see(self, turn: Mapping[str, list[PairedImage]]) -> dict[str, tuple[list[PairedImage], SeenBatch]]:
        """A batch of each set, and what is seen in it; the same frames of several are looked at once."""
        frames = _Frames(self.vgg, self.judge)
        return {name: (batch, self._see(batch, frames)) for name, batch in turn.items()}

    def _see(self, batch: Sequence[PairedImage], frames: _Frames) -> SeenBatch:
        classes = len(self.judge.classes) if self.judge else 1
        confusion, reading = torch.zeros(2, classes, classes, dtype=torch.int64)
        seen = SeenBatch(torch.empty(0), [], [], confusion, reading)
        deepest = self._measure(batch, frames, seen) if batch[0].original is not None else None
        if deepest is not None and self.space.of_vgg:
            seen.features = self.space.of_vgg(deepest)
        else:
            seen.features = features_of(batch, self.space)
        return seen

    def _measure(self, batch: Sequence[PairedImage], frames: _Frames, found: SeenBatch) -> Tensor:
        """Measure a batch whose images all have frames; gives relu5_3."""
        vgg, judge = self.vgg, self.judge
        frames.see(batch)
        reference = frames.pixels
        image = stacked([one.pixels for one in batch]).to(reference.device)  # (B, 3, H, W)
        same = torch.equal(image, reference)
        seen, deepest = (frames.seen, frames.deepest) if same else vgg.look(image)
        distance = vgg.between(seen, frames.seen)
        columns = ssim(image, reference), psnr(image, reference), distance, invented_detail(reference, image)
        found.values = torch.stack(columns, dim=1).tolist()
        for number, one in enumerate(batch):
            if one.truth is not None:
                found.truth.append(closeness(image[[number]], stacked([one.truth]).to(reference.device), vgg))
        if judge and frames.read is not None:
            labels = [train_ids(one.label) for one in batch if one.label is not None]
            label = torch.stack(labels) if labels else None  # (B, H, W)
            after = frames.read if same else judge.predict(image)
            found.confusion += seen_before_and_after(frames.read, after, label, len(judge.classes))
            if label is not None:
                found.reading += confusion_matrix(after.cpu(), label, len(judge.classes))
        return deepest
