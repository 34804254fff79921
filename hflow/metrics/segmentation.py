"""Segmentation scores from one confusion matrix over a whole set, as Cityscapes and the paper's section 4.2 do it.

confusion = sum(confusion_matrix(prediction, truth, 19) for prediction, truth in frames)
segment_scores(confusion, classes)["mIoU"]
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from hflow.foundation.errors import HflowError
from hflow.foundation.labels import IGNORE

__all__ = ["confusion_matrix", "segment_scores"]


def confusion_matrix(prediction: Tensor, truth: Tensor, classes: int) -> Tensor:
    """Count pixels by their true and their predicted class; matrices of several frames add up.

    Args:
        prediction: integers of any shape, train ids from 0 to classes - 1.
        truth: integers of the same shape, train ids or 255, which leaves the pixel out.
        classes: K, the number of classes.

    Returns:
        int64, (K, K), on the CPU: rows are the truth, columns the prediction.

    Raises:
        ValueError: the shapes differ, or a counted pixel has an id that is no class.
    """
    if prediction.shape != truth.shape:
        raise ValueError(f"prediction {tuple(prediction.shape)} and truth {tuple(truth.shape)} differ in shape")
    counted = truth != IGNORE
    predicted, true = prediction[counted].long(), truth[counted].long()  # (N,)
    for name, ids in (("prediction", predicted), ("truth", true)):
        if ids.numel() and not 0 <= int(ids.min()) <= int(ids.max()) < classes:
            raise ValueError(f"the {name} has ids from {int(ids.min())} to {int(ids.max())}, for {classes} classes")
    return torch.bincount(true * classes + predicted, minlength=classes**2).view(classes, classes).cpu()


def segment_scores(confusion: Tensor, names: Sequence[str]) -> dict[str, Any]:
    """The scores of a confusion matrix: fractions in [0, 1], higher is better.

    Args:
        confusion: int64, (K, K), rows are the truth, as of confusion_matrix.
        names: the K class names.

    Returns:
        pxAcc: the share of pixels that are right.
        clsAcc: the share of a class's pixels that are right, averaged over the classes that occur in the truth.
        mIoU: IoU averaged over the classes that occur in the truth or in the prediction.
        IoU: by class name, intersection over union; None for a class that occurs in neither.

    Raises:
        HflowError: the matrix counts no pixel.
    """
    counts = confusion.double()  # exact up to 2**53 pixels
    if not counts.any():
        raise HflowError("there is no pixel to score: the labels hold none of the classes in data.classes")
    right, true, predicted = counts.diag(), counts.sum(1), counts.sum(0)  # (K,)
    union = true + predicted - right
    accuracy, overlap = right / true, right / union  # nan where a class does not occur
    return {
        "pxAcc": (right.sum() / counts.sum()).item(),
        "clsAcc": accuracy[true > 0].mean().item(),
        "mIoU": overlap[union > 0].mean().item(),
        "IoU": {
            name: value if occurs else None
            for name, value, occurs in zip(names, overlap.tolist(), (union > 0).tolist(), strict=True)
        },
    }
