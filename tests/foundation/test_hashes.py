"""Hashes know values again."""

from hflow.foundation.hashes import fingerprint


def test_fingerprints_differ_by_value_and_not_by_the_order_of_keys() -> None:
    assert fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1})
    assert fingerprint({"a": 1}) != fingerprint({"a": 2})
