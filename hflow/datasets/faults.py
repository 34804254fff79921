"""Faults of many files told in few lines.

A reason begins with the kind of the fault; what is particular to the file follows after a colon:
`label of another size: the label is 10x10, the image 48x24`.
"""

from collections.abc import Iterable

__all__ = ["group_faults", "label_reason"]

EXAMPLES = 3


def group_faults(faults: Iterable[tuple[str, str]]) -> list[str]:
    """A line a kind, the most frequent first, with the count and the first three examples.

    Args:
        faults: the file's name and the reason of each.
    """
    kinds: dict[str, list[str]] = {}
    for name, reason in faults:
        kind, _, detail = reason.partition(": ")
        kinds.setdefault(kind, []).append(f"{name} ({detail})" if detail else name)
    lines = []
    for kind, examples in sorted(kinds.items(), key=lambda item: -len(item[1])):
        more = ", ..." if len(examples) > EXAMPLES else ""
        lines.append(f"{len(examples):,} x {kind}: {', '.join(examples[:EXAMPLES])}{more}")
    return lines


def label_reason(name: str, reason: str) -> str:
    """The reason of a sample whose label, the file of this name, is at fault."""
    kind, _, detail = reason.partition(": ")
    return f"label {kind}: {name}{': ' if detail else ''}{detail}"
