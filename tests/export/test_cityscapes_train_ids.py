"""Official train ids: by each pixel's class, whatever was trained on; labels of other ids are refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hflow.datasets.images import decode_ids, encode_png
from hflow.export.cityscapes_train_ids import CityscapesTrainIds
from hflow.foundation.errors import HflowError
from hflow.foundation.labels import CITYSCAPES, IGNORE, TRAIN_CLASSES

NAMES = {c.id: c.name for c in CITYSCAPES}


@given(st.permutations(TRAIN_CLASSES), st.integers(2, 19), st.lists(st.sampled_from(sorted(NAMES)), min_size=1))
def test_a_pixel_has_the_train_id_of_its_class_whatever_was_trained_on(
    order: list[str], count: int, ids: list[int]
) -> None:
    classes = order[:count]
    trained_on = [classes.index(NAMES[i]) if NAMES[i] in classes else IGNORE for i in ids]
    found = CityscapesTrainIds(classes, "gta").of("a", encode_png(np.uint8([ids])), encode_png(np.uint8([trained_on])))
    official = [TRAIN_CLASSES.index(NAMES[i]) if NAMES[i] in TRAIN_CLASSES else IGNORE for i in ids]
    assert decode_ids(found).tolist() == [official]


def test_a_class_that_cityscapes_does_not_have_is_refused_with_what_to_use_instead() -> None:
    with pytest.raises(HflowError, match=r"'other' is none of Cityscapes' 19.*layout gta.*webdataset or imagefolder"):
        CityscapesTrainIds(["road", "other"], "gta")


def test_labels_of_other_ids_are_refused_with_what_to_use_instead() -> None:
    road_of_another_scheme, car_of_another_scheme = (1, 0), (26, IGNORE)
    for raw, train in (road_of_another_scheme, car_of_another_scheme):
        with pytest.raises(HflowError, match=r"'a' has other ids than Cityscapes'.*webdataset or imagefolder"):
            CityscapesTrainIds(["road", "car"], "cityscapes").of(
                "a", encode_png(np.uint8([[raw]])), encode_png(np.uint8([[train]]))
            )
