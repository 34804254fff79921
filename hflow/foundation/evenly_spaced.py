"""A few of many, to look at or to measure on."""

from collections.abc import Sequence
from typing import TypeVar

__all__ = ["evenly_spaced"]

Item = TypeVar("Item")


def evenly_spaced(items: Sequence[Item], count: int) -> list[Item]:
    """So many of the items, the first among them, evenly spaced and in their order; all where there are fewer."""
    shown = min(count, len(items))
    return [items[i * len(items) // shown] for i in range(shown)]
