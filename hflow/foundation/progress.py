"""Progress of long work: a bar in a terminal, a plain line now and then in a log."""

import contextlib
import sys
import time
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from hflow.foundation.credentials import without_credentials

__all__ = ["Advance", "progress", "say"]

SECONDS_BETWEEN_LINES = 10.0

Advance = Callable[..., None]
"""Called as `advance(count=1, note="")`: so many more are done; the note replaces the one shown before."""


@contextlib.contextmanager
def progress(description: str, total: int, *, done: int = 0, unit: str = "it") -> Iterator[Advance]:
    """Show how far work on `total` items is, at which rate, and how long it still takes; nothing where there is none.

    Args:
        description: what is being done, a word or two.
        total: the number of items.
        done: the number that was done before this run.
        unit: the name of an item, for the rate: "frames", "steps".
    """
    if total == 0:
        yield _nothing
        return
    if sys.stderr.isatty():
        with _bar(unit) as bar:
            task = bar.add_task(description, total=total, completed=done, note="")
            yield lambda count=1, note=None: bar.update(task, advance=count, **({} if note is None else {"note": note}))
        return

    start = shown = time.monotonic()
    now_done, last_note = done, ""

    def line(*, final: bool = False) -> None:
        seconds = time.monotonic() - start
        rate = (now_done - done) / seconds if seconds > 0 else 0.0
        left = f", {(total - now_done) / rate:.0f} s left" if rate > 0 and not final else ""
        note = f", {last_note}" if last_note else ""
        say(f"{description}: {now_done}/{total} {unit}, {rate:.3g} {unit}/s{left}{note}")

    def advance(count: int = 1, note: str | None = None) -> None:
        nonlocal now_done, last_note, shown
        now_done += count
        last_note = last_note if note is None else note
        if time.monotonic() - shown >= SECONDS_BETWEEN_LINES:
            shown = time.monotonic()
            line()

    yield advance
    line(final=True)


def say(message: str) -> None:
    """Print one line to standard error, above a progress bar if there is one; credentials are taken out of it."""
    print(without_credentials(message), file=sys.stderr, flush=True)


def _nothing(*_: object, **__: object) -> None:
    """An `Advance` for no work."""


def _bar(unit: str) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _Rate(unit),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
        console=Console(stderr=True),
        refresh_per_second=4,
    )


class _Rate(ProgressColumn):
    def __init__(self, unit: str):
        super().__init__()
        self.unit = unit

    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:.3g} {self.unit}/s" if task.speed else "", style="dim")
