"""Segmentation scores agree with torchmetrics and do what their definitions say."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torchmetrics.classification import MulticlassAccuracy, MulticlassConfusionMatrix, MulticlassJaccardIndex

from hflow.foundation.errors import HflowError
from hflow.foundation.labels import IGNORE
from hflow.metrics.segmentation import confusion_matrix, segment_scores


def _names(classes: int) -> list[str]:
    return [f"class {i}" for i in range(classes)]


def _maps(classes: int, seed: int, ignored: float = 0.2) -> tuple[Tensor, Tensor]:
    """A truth with ignored pixels, and a prediction that is right more often than not."""
    random = torch.Generator().manual_seed(seed)
    truth = torch.randint(classes, (3, 20, 30), generator=random)
    guess = torch.randint(classes, truth.shape, generator=random)
    prediction = torch.where(torch.rand(truth.shape, generator=random) < 0.6, truth, guess)
    truth[torch.rand(truth.shape, generator=random) < ignored] = IGNORE
    return prediction.to(torch.uint8), truth.to(torch.uint8)


@pytest.mark.parametrize("classes", [2, 3, 19])
@pytest.mark.parametrize("seed", [0, 1])
def test_scores_equal_those_of_torchmetrics(classes: int, seed: int) -> None:
    prediction, truth = (ids.long() for ids in _maps(classes, seed))
    confusion = confusion_matrix(prediction, truth, classes)
    scores = segment_scores(confusion, _names(classes))

    def reference(metric: type, **options: object) -> Tensor:
        return metric(num_classes=classes, ignore_index=IGNORE, **options)(prediction, truth)

    assert torch.equal(confusion, reference(MulticlassConfusionMatrix))
    assert scores["mIoU"] == pytest.approx(reference(MulticlassJaccardIndex).item(), abs=1e-6)
    assert scores["pxAcc"] == pytest.approx(reference(MulticlassAccuracy, average="micro").item(), abs=1e-6)
    assert scores["clsAcc"] == pytest.approx(reference(MulticlassAccuracy, average="macro").item(), abs=1e-6)
    by_class = reference(MulticlassJaccardIndex, average="none").tolist()
    assert list(scores["IoU"].values()) == pytest.approx(by_class, abs=1e-6)


def test_absent_classes_are_left_out_as_in_torchmetrics() -> None:
    """Class 3 occurs nowhere, class 2 is predicted only: it counts in the mIoU, as 0, and not in clsAcc."""
    prediction = torch.tensor([0, 0, 1, 2, 1, 3])
    truth = torch.tensor([0, 0, 1, 1, 0, IGNORE])
    scores = segment_scores(confusion_matrix(prediction, truth, 4), _names(4))
    assert scores["IoU"] == pytest.approx({"class 0": 2 / 3, "class 1": 1 / 3, "class 2": 0.0, "class 3": None})
    assert scores["mIoU"] == pytest.approx(1 / 3)
    assert scores["clsAcc"] == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert scores["pxAcc"] == pytest.approx(3 / 5)
    reference = MulticlassJaccardIndex(num_classes=4, ignore_index=IGNORE)(prediction, truth)
    assert scores["mIoU"] == pytest.approx(reference.item(), abs=1e-6)


def test_rows_are_the_truth() -> None:
    confusion = confusion_matrix(torch.tensor([1, 1, 0]), torch.tensor([0, 0, 0]), 2)
    assert confusion.dtype == torch.int64
    assert confusion.tolist() == [[1, 2], [0, 0]]


@settings(max_examples=30)
@given(classes=st.integers(2, 12), seed=st.integers(0, 2**16), ignored=st.floats(0, 0.9))
def test_properties_of_scores(classes: int, seed: int, ignored: float) -> None:
    prediction, truth = _maps(classes, seed, ignored)
    confusion = confusion_matrix(prediction, truth, classes)
    scores = segment_scores(confusion, _names(classes))
    assert all(0 <= scores[key] <= 1 for key in ("pxAcc", "clsAcc", "mIoU"))
    assert int(confusion.sum()) == int((truth != IGNORE).sum())
    parts = sum(confusion_matrix(p, t, classes) for p, t in zip(prediction, truth, strict=True))
    assert torch.equal(torch.as_tensor(parts), confusion)
    # Whatever is predicted where the truth is not known changes nothing.
    elsewhere = torch.where(truth == IGNORE, torch.zeros_like(prediction), prediction)
    assert torch.equal(confusion_matrix(elsewhere, truth, classes), confusion)
    # Renaming the classes renames their scores.
    order = torch.randperm(classes, generator=torch.Generator().manual_seed(seed))
    renamed = segment_scores(confusion[order][:, order], [_names(classes)[i] for i in order.tolist()])
    assert renamed["IoU"] == scores["IoU"]
    assert renamed["mIoU"] == pytest.approx(scores["mIoU"])


@given(classes=st.integers(2, 12), seed=st.integers(0, 2**16))
def test_the_truth_itself_scores_one(classes: int, seed: int) -> None:
    _, truth = _maps(classes, seed)
    scores = segment_scores(confusion_matrix(truth, truth, classes), _names(classes))
    assert scores["pxAcc"] == scores["clsAcc"] == scores["mIoU"] == 1
    assert set(scores["IoU"].values()) <= {1.0, None}


def test_impossible_values_are_refused() -> None:
    with pytest.raises(ValueError, match="truth has ids from 0 to 5, for 3 classes"):
        confusion_matrix(torch.tensor([0, 0]), torch.tensor([0, 5]), 3)
    with pytest.raises(ValueError, match="prediction has ids"):
        confusion_matrix(torch.tensor([IGNORE, 0]), torch.tensor([0, 1]), 3)
    with pytest.raises(ValueError, match="differ in shape"):
        confusion_matrix(torch.zeros(2, 3, dtype=torch.uint8), torch.zeros(3, 2, dtype=torch.uint8), 3)
    with pytest.raises(HflowError, match="no pixel to score"):
        segment_scores(torch.zeros(3, 3, dtype=torch.int64), _names(3))
