"""What a look at a machine finds. Python's own library alone: this runs before anything is installed."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

__all__ = ["Finding", "print_findings"]


@dataclass(frozen=True)
class Finding:
    """One thing that was looked for: "ok", "absent" if everything runs without it, or "fault"."""

    what: str
    state: Literal["ok", "absent", "fault"]
    found: str
    remedy: str = ""
    """What to do where it is absent or at fault."""


def print_findings(findings: Iterable[Finding]) -> list[str]:
    """Print them as a table; gives what is at fault."""
    faults = []
    for one in findings:
        print(f"{one.what:<12} {one.state:<7} {one.found}")
        if one.remedy:
            print(f"{'':<20} -> {one.remedy}")
        if one.state == "fault":
            faults.append(one.what)
    return faults
