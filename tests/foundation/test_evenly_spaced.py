"""A few of many are spread over all of them."""

from hypothesis import given
from hypothesis import strategies as st

from hflow.foundation.evenly_spaced import evenly_spaced


@given(st.integers(0, 500), st.integers(0, 60))
def test_they_are_as_many_as_asked_for_in_order_and_equally_far_apart(total: int, count: int) -> None:
    chosen = evenly_spaced(range(total), count)
    assert len(chosen) == min(count, total)
    assert chosen[:1] == [0][: len(chosen)]
    gaps = [b - a for a, b in zip(chosen, [*chosen[1:], total], strict=False)]
    assert not gaps or (min(gaps) >= 1 and max(gaps) - min(gaps) <= 1)
