"""What a layout is, and what it gets: frames as they are exported."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hflow.export.instances import Objects

__all__ = ["TRUTH", "Frame", "FrameKey", "Layout", "json_bytes"]

FrameKey = tuple[str, str]
"""Split and key."""


TRUTH = "truth"
"""The kind of what is handed on with a frame that has the picture that it should become."""


@dataclass(frozen=True)
class Frame:
    """A translated frame as it is exported.

    Attributes:
        name: what its files are called after, as the layout's `names` says.
        image: in the format that was asked for, whose files end in `suffix`.
        label, label_train_ids: PNG, or None where there is none; the train ids are those of Cityscapes where the layout
            is for tools that read these.
        facts: what the manifest says of it.
        carried: what else is handed on with it, its truth too, by kind: the suffix of the file's name, and its bytes.
        objects: what there is to be seen in it, where the layout asks for that.
    """

    key: str
    split: str
    name: str
    image: bytes
    suffix: str
    label: bytes | None
    label_train_ids: bytes | None
    facts: Mapping[str, Any]
    carried: Mapping[str, tuple[str, bytes]]
    objects: Objects | None = None


@dataclass(frozen=True)
class Layout:
    """A layout by name.

    Attributes:
        files: the files of a frame, name to content, of which the first is the image.
        closing: writes files that tell of the whole into a folder and gives their names, from a frame's names and
            numbers each, which can be gone through more than once, and the names of the classes: `files`, its names;
            `pixels`, how many pixels have each train id; `raw_ids`, the train id of each raw id that has one; `facts`;
            and its `notes`.
        archive: the name of the archive that takes the frames of shard number N of a split; None for single files.
        load: how to load it, for the card.
        official: whether it is for tools that read the ids and train ids of Cityscapes, whatever classes were trained
            on.
        names: of the frames, from split and key of each, sorted, which can be gone through more than once; None takes
            the keys.
        note: what else a user must know, for the card.
        notes: what else its closing files must know of a frame, as JSON has it.
        objects: whether it asks for the objects of a frame, so that instances must be carried.
        sets: what its many files are, for the metadata: a name, and patterns of their names. Images in archives need
            none: they are the files whose names have one dot.
    """

    files: Callable[[Frame], dict[str, bytes]]
    closing: Callable[[Iterable[Mapping[str, Any]], Sequence[str], Path], list[str]]
    archive: Callable[[str, int], str] | None
    load: str
    official: bool = False
    names: Callable[[Iterable[FrameKey]], Iterable[str]] | None = None
    note: str = ""
    notes: Callable[[Frame], Mapping[str, Any]] = lambda _: {}
    objects: bool = False
    sets: Mapping[str, Sequence[str]] = field(default_factory=dict)


def json_bytes(value: Any, *, indent: int | None = 2) -> bytes:
    """A JSON file's content."""
    return (json.dumps(value, indent=indent) + "\n").encode()
