"""The files of a folder of images: what is hidden is passed over, links are followed."""

import os
from pathlib import Path

from hflow.datasets.keys import printable
from hflow.foundation.errors import HflowError

__all__ = ["IMAGE_SUFFIXES", "is_hidden", "list_files", "list_images"]

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")


def list_files(folder: Path) -> list[Path]:
    """Every file below `folder`, sorted; links to files and folders are followed.

    A link to nothing or to itself counts as a file.

    Hidden files and folders are passed over: names that begin with a dot (`.ipynb_checkpoints`, `._1.png`) or with @
    (`@eaDir`), and `__MACOSX`.

    Raises:
        HflowError: a link leads back to a folder that it lies in, or a folder can't be read.
    """
    found: list[Path] = []
    _collect(folder, (), found)
    return sorted(found)


def list_images(folder: Path) -> list[Path]:
    """The files of IMAGE_SUFFIXES among those of `list_files`."""
    return [path for path in list_files(folder) if path.suffix.lower() in IMAGE_SUFFIXES]


def is_hidden(name: str) -> bool:
    """Whether files and folders of this name are passed over."""
    return name.startswith((".", "@")) or name == "__MACOSX"


def _collect(folder: Path, above: tuple[str, ...], found: list[Path]) -> None:
    real = os.path.realpath(folder)
    if real in above:
        raise HflowError(f"{printable(str(folder))} is a link that leads back to {real}, which it lies in: remove it")
    try:
        entries = list(os.scandir(folder))
    except OSError as error:
        raise HflowError(f"{printable(str(folder))} can't be read: {error.strerror}") from None
    for entry in entries:
        if is_hidden(entry.name):
            continue
        path = folder / entry.name
        try:
            below = entry.is_dir()
        except OSError:  # a link to itself, or to where nothing may be looked up
            below = False
        if below:
            _collect(path, (*above, real), found)
        elif entry.is_symlink() or entry.is_file():
            found.append(path)
