"""Class tables: the class of a raw id or of a label's colour; classes.yaml, and those that ship with hflow."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from hflow.foundation.errors import HflowError
from hflow.foundation.yaml_text import parse_yaml
from hflow.presets.classes import shipped_tables, table_text

__all__ = ["ClassTable", "read_class_table"]

Colour = tuple[int, int, int]
_Byte = Annotated[int, Field(ge=0, le=255)]


@dataclass(frozen=True)
class ClassTable:
    """The classes of a dataset.

    Attributes:
        names: class name of each raw id, 0 to 255.
        colours: the raw id of each RGB colour; empty where the table has none.
    """

    names: Mapping[int, str]
    colours: Mapping[Colour, int] = field(default_factory=dict)


def read_class_table(place: str | Path) -> ClassTable:
    """A class table from a YAML file, or one that ships with hflow, by its name.

    A line is `7: road`, an id and its class, or `road: {ids: [7], colours: [[128, 64, 128]]}`. The colours of a class
    stand in the order of its ids; those over belong to the last. A class without ids gets the smallest id that is free.

    Raises:
        HflowError: there is no such file or table, or a line is of neither form, or an id or a colour is given twice.
    """
    text = table_text(str(place)) if str(place) in shipped_tables() else _text(Path(place))
    try:
        lines = parse_yaml(text)
    except yaml.YAMLError as error:
        raise HflowError(f"{place} is not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(lines, dict) or not lines:
        raise HflowError(f"{place} must map raw ids from 0 to 255 to class names, a line each, such as `7: road`")
    names: dict[int, str] = {}
    colours: dict[Colour, int] = {}
    entries = [_entry(place, key, value) for key, value in lines.items()]
    for name, ids, _ in entries:
        for raw_id in ids:
            if raw_id in names:
                raise HflowError(f"{place} gives the id {raw_id} to {names[raw_id]!r} and to {name!r}: to one alone")
            names[raw_id] = name
    free = (raw_id for raw_id in range(256) if raw_id not in names)
    for name, given, shown in entries:
        ids = given or [next(free, -1)]
        if ids == [-1]:
            raise HflowError(f"{place} has more classes than there are ids, 256: {name!r} is one too many")
        names.update(dict.fromkeys(ids, name))
        for number, colour in enumerate(shown):
            if colour in colours:
                raise HflowError(f"{place} gives the colour {colour} to two ids: to one alone")
            colours[colour] = ids[min(number, len(ids) - 1)]
    return ClassTable(names, colours)


class _Line(BaseModel):
    """What a line says of a class."""

    model_config = ConfigDict(extra="forbid", strict=True)

    ids: list[_Byte] = []
    colours: list[Annotated[list[_Byte], Field(min_length=3, max_length=3)]] = []


def _entry(place: str | Path, key: Any, value: Any) -> tuple[str, list[int], list[Colour]]:
    """The class of a line, its ids and its colours."""
    try:
        if isinstance(value, str):
            return value, _Line(ids=[key]).ids, []
        if isinstance(key, str) and value:
            line = _Line.model_validate(value)
            return key, line.ids, [(red, green, blue) for red, green, blue in line.colours]
    except ValidationError:
        pass
    raise HflowError(
        f"{place}: the line {key!r} is neither an id from 0 to 255 and its class, `7: road`, nor a class with its ids "
        "and colours, `road: {ids: [7], colours: [[128, 64, 128]]}`"
    )


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise HflowError(f"{path} is not YAML: {error}") from None
    except OSError:
        raise HflowError(
            f"there is no file {path} and no table of classes of this name: name a file, or one of "
            f"{', '.join(shipped_tables())}"
        ) from None
