"""YAML in which a key stands once, as every other parser of the same file takes it."""

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from hflow.foundation.yaml_text import parse_yaml

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text("ab: {", max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab", min_size=1, max_size=2), inner),
    max_leaves=8,
)


@given(VALUES)
def test_what_has_no_key_twice_is_read_as_it_was_written(value: Any) -> None:
    assert parse_yaml(yaml.safe_dump(value)) == value


@pytest.mark.parametrize("text", ["a: 1\nb: 2\na: 1", "x: {a: 1, a: 2}", "- a:\n    b: 1\n    b: 1"])
def test_a_key_that_is_there_twice_is_an_error(text: str) -> None:
    with pytest.raises(yaml.YAMLError, match="is there twice, first in line"):
        parse_yaml(text)


@pytest.mark.parametrize("text", ["a: 2001-99-99", "a: " + "[" * 500, "a: !!int x", "? [a]\n: b", "a: " + "9" * 5000])
def test_a_value_that_is_none_of_its_kind_is_an_error_of_the_yaml(text: str) -> None:
    with pytest.raises(yaml.YAMLError):
        parse_yaml(text)


def test_a_merged_mapping_may_be_overridden() -> None:
    assert parse_yaml("a: &a {x: 1, y: 2}\nb: {<<: *a, x: 3}")["b"] == {"x": 3, "y": 2}
