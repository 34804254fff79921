"""Self-training's samples: rare classes more often, and photographs mixed with labelled frames."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from hflow.foundation.labels import IGNORE
from hflow.segmentation.mixed_crops import class_mix, rarity


@given(st.lists(st.lists(st.floats(0, 1), min_size=3, max_size=3), min_size=1, max_size=5).filter(np.any))
def test_the_rarer_class_is_drawn_more_often_and_one_that_occurs_nowhere_never(shares: list[list[float]]) -> None:
    frequency, drawn = np.mean(shares, axis=0), rarity(np.array(shares))
    assert drawn.sum() == np.float64(1) or abs(drawn.sum() - 1) < 1e-9
    assert not drawn[frequency == 0].any()
    occurring = np.flatnonzero(frequency)
    assert np.all(np.diff(drawn[occurring][np.argsort(frequency[occurring])]) <= 0)


@given(st.integers(0, 2**32 - 1))
def test_half_of_the_classes_go_over_with_their_pixels_and_the_rest_stays(seed: int) -> None:
    random = np.random.default_rng(seed)
    ids = torch.from_numpy(random.choice([0, 1, 2, 4, IGNORE], (6, 8)).astype(np.int64))
    image, onto = torch.ones(3, 6, 8), torch.zeros(3, 6, 8)
    its_ids = torch.full((6, 8), 9)
    mixed, labels = class_mix(image, ids, onto, its_ids, random)
    pasted = mixed[0] == 1
    classes = set(ids[ids != IGNORE].tolist())
    assert torch.equal(labels, torch.where(pasted, ids, its_ids))
    assert len(set(ids[pasted].tolist())) == -(-len(classes) // 2)
    assert all(pasted[ids == chosen].all() for chosen in set(ids[pasted].tolist()))
    assert not pasted[ids == IGNORE].any()
