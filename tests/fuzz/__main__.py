"""`make fuzz`: each target in turn for its share of the minutes, in no more memory than a stated bound.

Ends with status 1 at the first target that gives another error than one line's, takes more than the memory or seems to
hang; the input, made as small as Hypothesis can, is written to a file.
"""

import argparse
import logging
import resource
import sys
import tempfile
import time
import traceback
import warnings
from dataclasses import dataclass
from pathlib import Path

from hypothesis import HealthCheck, given, seed, settings

from tests.fuzz.targets import Target, targets

EXAMPLES = 200
SECONDS_AN_INPUT = 20


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=3, help="of all targets together")
    parser.add_argument("--megabytes", type=int, default=1024, help="that reading may take beyond what is loaded")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--only", help="one target")
    options = parser.parse_args()
    warnings.simplefilter("ignore")  # of Pillow and torch, by the thousand, as of MLflow
    logging.getLogger("mlflow").setLevel(logging.ERROR)
    chosen = {name: target for name, target in targets().items() if options.only in (None, name)}
    for target in chosen.values():
        _fault(target, 0, 3)
    _bound_memory(options.megabytes << 20)
    print(f"seed {options.seed}; {len(chosen)} targets; {options.megabytes} MB")
    for name, target in chosen.items():
        end, number = time.monotonic() + 60 * options.minutes / len(chosen), 0
        while time.monotonic() < end:
            fault = _fault(target, options.seed + number, EXAMPLES)
            if fault:
                found = Path(tempfile.gettempdir()) / f"hflow-fuzz-{name}.txt"
                found.write_text(repr(fault.value))
                print(
                    *traceback.format_tb(fault.error.__traceback__)[-4:],
                    f"{type(fault.error).__name__}: {fault.error}"[:500],
                )
                print(f"{name}, seed {options.seed + number}: the input is in {found}")
                return 1
            number += 1
        print(f"{name}: {number * EXAMPLES} inputs, no fault", flush=True)
    return 0


@dataclass(frozen=True)
class Fault:
    """The smallest input found, and what it led to."""

    value: object
    error: Exception


def _fault(target: Target, number: int, examples: int) -> Fault | None:
    strategy, read = target
    last: list[object] = [None]

    @seed(number)
    @settings(
        max_examples=examples,
        deadline=1000 * SECONDS_AN_INPUT,
        database=None,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def run(value: object) -> None:
        last[0] = value
        read(value)

    try:
        run()
    except Exception as error:
        return Fault(last[0], error)
    return None


def _bound_memory(more: int) -> None:
    """Let this process have so many bytes of addresses beyond those it has."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + more
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


if __name__ == "__main__":
    sys.exit(main())
