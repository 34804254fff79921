"""Labels: the official colours and ids, there and back."""

import numpy as np
import pytest

from hflow.datasets.layouts.label_colours import ids_of_official_colours
from hflow.foundation.errors import HflowError
from hflow.foundation.labels import CITYSCAPES, IGNORE, TRAIN_CLASSES, cityscapes_ids, ids_to_colours, train_id_table


def test_there_are_nineteen_train_classes_in_their_order() -> None:
    trained = sorted((c for c in CITYSCAPES if c.train_id != IGNORE), key=lambda c: c.train_id)
    assert [c.name for c in trained] == list(TRAIN_CLASSES)
    assert [c.train_id for c in trained] == list(range(19))
    assert (TRAIN_CLASSES[0], TRAIN_CLASSES[10], TRAIN_CLASSES[18]) == ("road", "sky", "bicycle")


def test_every_trained_class_survives_its_colour() -> None:
    ids = np.array([[c.id for c in CITYSCAPES if c.train_id != IGNORE]], np.uint8)
    assert np.array_equal(ids_of_official_colours(ids_to_colours(ids)), ids)


def test_black_is_unlabeled() -> None:
    assert ids_of_official_colours(np.zeros((1, 1, 3), np.uint8)).item() == 0


def test_a_colour_of_no_class_is_named() -> None:
    with pytest.raises(HflowError, match=r"\(1, 2, 3\)"):
        ids_of_official_colours(np.array([[[1, 2, 3]]], np.uint8))


def test_a_raw_id_without_a_class_is_ignored() -> None:
    table = train_id_table(cityscapes_ids(), ("road", "sky"))
    assert table[7] == 0
    assert table[23] == 1
    assert set(np.delete(table, [7, 23])) == {IGNORE}
