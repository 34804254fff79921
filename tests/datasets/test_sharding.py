"""Which keys a shard holds: no more than a bound, neighbours, and by the keys alone."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hflow.datasets.sharding import split_by_key

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
NAMES = st.builds("{:d}/{:03d}".format, st.integers(0, 3), st.integers(0, 60))
KEYS = st.one_of(TEXTS, NAMES, st.text("ab", min_size=1, max_size=12))


def _split(keys: set[str], most_rows: int) -> dict[str, list[str]]:
    return split_by_key(dict.fromkeys(keys, 1), most_rows)


@given(st.sets(KEYS, max_size=200), st.integers(1, 20))
def test_every_key_is_in_one_shard_in_order_and_no_shard_has_too_many(keys: set[str], most_rows: int) -> None:
    shards = _split(keys, most_rows)
    assert [key for shard in shards.values() for key in shard] == sorted(keys)
    assert all(1 <= len(shard) <= most_rows for shard in shards.values())


@given(st.dictionaries(KEYS, st.integers(0, 30), max_size=100), st.integers(1, 60))
def test_no_shard_has_too_many_bytes_but_for_a_single_sample(sizes: dict[str, int], most_bytes: int) -> None:
    shards = split_by_key(sizes, 20, most_bytes)
    assert all(len(keys) == 1 or sum(sizes[key] for key in keys) <= most_bytes for keys in shards.values())
    assert [key for keys in shards.values() for key in keys] == sorted(sizes)


@given(st.sets(KEYS, max_size=200), KEYS, st.integers(1, 20))
def test_a_new_key_changes_its_own_shard_alone_or_cuts_it_in_two(keys: set[str], new: str, most_rows: int) -> None:
    before, after = _split(keys - {new}, most_rows), _split(keys | {new}, most_rows)
    changed = {name for name, shard in after.items() if before.get(name) != shard}
    gone = before.keys() - after.keys()
    assert len(changed) == 1 + len(gone) <= 2
    assert new in {key for name in changed for key in after[name]}


@given(st.sets(KEYS, max_size=60), st.integers(1, 8), st.randoms(use_true_random=False))
def test_the_order_in_which_keys_came_does_not_matter(keys: set[str], most_rows: int, random: Random) -> None:
    shuffled = sorted(keys)
    random.shuffle(shuffled)
    assert split_by_key(dict.fromkeys(shuffled, 1), most_rows) == _split(keys, most_rows)


@pytest.mark.parametrize("name", ["{:05d}", "sequence_{:02d}/frame_{:06d}", "{:d}"])
def test_shards_of_numbered_frames_are_about_half_full_at_least(name: str) -> None:
    numbers = range(20_000)
    keys = {name.format(*divmod(number, 500)) if "/" in name else name.format(number) for number in numbers}
    sizes = [len(shard) for shard in _split(keys, 200).values()]
    assert max(sizes) <= 200
    assert sum(sizes) / len(sizes) >= 100
