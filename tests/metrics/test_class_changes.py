"""What a segmenter sees changed: counted where it was right, sky to vegetation first."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hflow.foundation.errors import HflowError
from hflow.foundation.labels import IGNORE
from hflow.metrics.class_changes import Change, class_changes, seen_before_and_after

NAMES = ["road", "vegetation", "sky"]
ROAD, VEGETATION, SKY = range(3)


def test_a_pixel_counts_where_the_judge_was_right_about_the_source() -> None:
    before = torch.tensor([SKY, SKY, SKY, ROAD, ROAD])
    after = torch.tensor([SKY, VEGETATION, VEGETATION, ROAD, SKY])
    labels = torch.tensor([SKY, SKY, ROAD, IGNORE, ROAD])
    confusion = seen_before_and_after(before, after, labels, 3)
    assert confusion.tolist() == [[0, 0, 1], [0, 0, 0], [0, 1, 1]]
    assert int(seen_before_and_after(before, after, None, 3).sum()) == 5


def test_sky_to_vegetation_comes_first_then_the_largest() -> None:
    changes = class_changes(torch.tensor([[90, 0, 10], [20, 20, 0], [0, 1, 9]]), NAMES)
    assert changes.changes == [
        Change("sky", "vegetation", 0.1, 1),
        Change("vegetation", "road", 0.5, 20),
        Change("road", "sky", 0.1, 10),
    ]
    assert changes.kept == pytest.approx(119 / 150)
    assert changes.kept_by_class == {"road": 0.9, "vegetation": 0.5, "sky": 0.9}


def test_sky_to_vegetation_is_named_when_it_never_happens() -> None:
    changes = class_changes(torch.diag(torch.tensor([5, 5, 5])), NAMES)
    assert changes.kept == 1
    assert changes.changes == [Change("sky", "vegetation", 0.0, 0)]


def test_a_class_that_was_not_seen_has_no_share() -> None:
    changes = class_changes(torch.tensor([[5, 0, 0], [0, 0, 0], [0, 0, 0]]), NAMES)
    assert changes.kept_by_class == {"road": 1.0, "vegetation": None, "sky": None}
    with pytest.raises(HflowError, match="no pixel"):
        class_changes(torch.zeros(3, 3, dtype=torch.int64), NAMES)


@settings(max_examples=30)
@given(seed=st.integers(0, 2**16))
def test_shares_of_a_class_add_up_with_what_was_kept(seed: int) -> None:
    confusion = torch.randint(0, 20, (3, 3), generator=torch.Generator().manual_seed(seed)) + 1
    found = class_changes(confusion, NAMES)
    for name in NAMES:
        left = sum(change.share for change in found.changes if change.before == name)
        assert left + (found.kept_by_class[name] or 0) == pytest.approx(1)
