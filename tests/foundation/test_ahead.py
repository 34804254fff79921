"""Work ahead in threads: results in order, no more of them in memory than was said."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hflow.foundation.ahead import map_ahead


@given(st.integers(0, 30), st.integers(1, 5), st.integers(1, 8))
def test_results_come_in_order_and_items_are_taken_no_further_ahead_than_said(
    count: int, workers: int, ahead: int
) -> None:
    taken = 0

    def items() -> Iterator[int]:
        nonlocal taken
        for number in range(count):
            taken += 1
            yield number

    with ThreadPoolExecutor(workers) as pool:
        for number, result in enumerate(map_ahead(pool, lambda item: item * item, items(), ahead)):
            assert result == number * number
            assert taken <= number + 1 + ahead
    assert taken == count


def test_an_error_is_raised_at_its_place_and_ends_the_work() -> None:
    with ThreadPoolExecutor(1) as pool:
        results = map_ahead(pool, lambda item: 6 // item, [3, 2, 0, 1], 2)
        assert [next(results), next(results)] == [2, 3]
        with pytest.raises(ZeroDivisionError):
            next(results)
