"""Some examples of every target, the same in every run."""

import pytest
from hypothesis import HealthCheck, given, settings

from tests.fuzz.targets import targets


@pytest.mark.parametrize("name", targets())
def test_what_strangers_give_comes_through_or_is_refused_in_a_line(name: str) -> None:
    strategy, read = targets()[name]

    @settings(max_examples=30, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    @given(strategy)
    def run(value: object) -> None:
        read(value)

    run()
