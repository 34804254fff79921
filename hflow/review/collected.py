"""Verdicts from wherever people gave them, brought together in the one file that translation reads."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from hflow.datasets.verdicts import Verdict, Verdicts, read_verdicts, write_verdicts
from hflow.foundation.errors import HflowError
from hflow.review.cvat import read_cvat
from hflow.review.label_studio import read_label_studio

__all__ = ["collect_verdicts"]

READERS: Mapping[str, Callable[[Path], Sequence[Verdict]]] = {
    ".csv": lambda path: list(read_verdicts(path)),
    ".json": read_label_studio,
    ".xml": read_cvat,
    ".zip": read_cvat,
}


def collect_verdicts(files: Sequence[Path], into: Path) -> Verdicts:
    """Add the verdicts of files to a CSV; a later verdict on the same image takes the place of an earlier one.

    Args:
        files: a CSV of the page, an export of Label Studio (.json) or of CVAT (.xml, .zip) each.
        into: the CSV; made where it is missing.

    Returns:
        All that it holds now.

    Raises:
        HflowError: a file is missing, of none of these kinds, or not as it should be; the CSV is then as it was.
    """
    found = list(read_verdicts(into)) if into.is_file() else []
    for path in files:
        read = READERS.get(path.suffix.lower())
        if read is None:
            raise HflowError(f"{path} is neither .csv nor an export of Label Studio (.json) or CVAT (.xml, .zip)")
        found += read(path)
    verdicts = Verdicts(found)
    write_verdicts(into, verdicts)
    return verdicts
