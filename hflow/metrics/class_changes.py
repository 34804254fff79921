"""What translation changed in what a frozen segmenter sees: a sky that turns into trees makes its labels lies.

confusion = sum(seen_before_and_after(judge.predict(sources), judge.predict(images), labels, 19) for ... in batches)
class_changes(confusion, classes)
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from hflow.foundation.errors import HflowError
from hflow.foundation.labels import IGNORE
from hflow.metrics.segmentation import confusion_matrix

__all__ = ["Change", "ClassChanges", "class_changes", "seen_before_and_after"]


@dataclass(frozen=True)
class Change:
    """Pixels that showed the class `before` in the source and show `after` in the translation.

    Attributes:
        share: of the pixels that showed `before`, in [0, 1]; lower is better.
        pixels: how many they are.
    """

    before: str
    after: str
    share: float
    pixels: int


@dataclass(frozen=True)
class ClassChanges:
    """What a confusion from class to class says.

    Attributes:
        kept: the share of pixels whose class stayed, in [0, 1]; higher is better, 1 means nothing was hallucinated.
        kept_by_class: the same for the pixels of each class before; None for a class that was not seen.
        changes: those that occur, sky to vegetation first where both are among the classes, be it 0, then by pixels.
    """

    kept: float
    kept_by_class: Mapping[str, float | None]
    changes: Sequence[Change]


def seen_before_and_after(before: Tensor, after: Tensor, labels: Tensor | None, classes: int) -> Tensor:
    """Count pixels by what the segmenter sees in the source and in its translation; the counts of frames add up.

    Where there are labels, a pixel counts only where the segmenter was right about the source: elsewhere it says
    nothing.

    Args:
        before, after: train ids that it predicts, of one shape.
        labels: the source's train ids, of the same shape; 255 leaves a pixel out. None counts all pixels.
        classes: K.

    Returns:
        int64, (K, K), on the CPU: rows are the source, columns the translation.
    """
    before, after = before.cpu(), after.cpu()
    if labels is not None:
        before = torch.where(before == labels.cpu(), before, IGNORE)
    return confusion_matrix(after, before, classes)


def class_changes(confusion: Tensor, names: Sequence[str]) -> ClassChanges:
    """What a confusion as of `seen_before_and_after` says.

    Args:
        confusion: int64, (K, K).
        names: the K class names.

    Raises:
        HflowError: it counts no pixel.
    """
    counts = confusion.tolist()
    total = int(confusion.sum())
    if not total:
        raise HflowError("the judge is right about no pixel of the sources: it was trained for too short, or elsewhere")
    changes = [
        Change(names[i], names[j], counts[i][j] / sum(counts[i]), counts[i][j])
        for i in range(len(names))
        for j in range(len(names))
        if i != j and sum(counts[i]) and (counts[i][j] or _is_sky_to_vegetation(names[i], names[j]))
    ]
    changes.sort(key=lambda change: (not _is_sky_to_vegetation(change.before, change.after), -change.pixels))
    return ClassChanges(
        kept=int(confusion.diag().sum()) / total,
        kept_by_class={
            name: row[i] / sum(row) if sum(row) else None
            for i, (name, row) in enumerate(zip(names, counts, strict=True))
        },
        changes=changes,
    )


def _is_sky_to_vegetation(before: str, after: str) -> bool:
    return (before, after) in (("sky", "vegetation"), ("sky", "tree"))
