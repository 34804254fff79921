"""What every section of params.yaml is: typed, frozen, without unknown keys; and the types that sections share."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from hflow.foundation.errors import ParamsError
from hflow.foundation.frame_size import LARGEST_SIDE, MOST_PIXELS, SMALLEST_SIDE

__all__ = ["Count", "Pixels", "Section", "Seed", "Share", "Size", "Workers", "check_section"]

Side = Annotated[int, Field(ge=SMALLEST_SIDE, le=LARGEST_SIDE)]
Size = tuple[Side, Side]
Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0, lt=2**31)]
Pixels = Annotated[int, Field(ge=1, le=MOST_PIXELS)]
Workers = Annotated[int, Field(ge=0)] | Literal["auto"]


class Section(BaseModel):
    # An infinite or undefined number would pass every bound that it is not held against.
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False)


Checked = TypeVar("Checked", bound=Section)


def check_section(section: type[Checked], values: Mapping[str, Any], where: str) -> Checked:
    """The values as a section.

    Args:
        section: the class of a section, or of the whole.
        values: by name.
        where: they are from, for the error to name.

    Raises:
        ParamsError: a name is unknown or a value impossible; each fault is named.
    """
    try:
        return section.model_validate(values)
    except ValidationError as error:
        faults = "; ".join(dict.fromkeys(_fault(e["loc"], e["msg"], e["type"], e["input"]) for e in error.errors()))
        raise ParamsError(f"{where}: {faults}") from None


def _fault(location: tuple[int | str, ...], message: str, kind: str, given: Any) -> str:
    key = ".".join(str(part) for part in location if not str(part).startswith(("tuple[", "literal[", "function-")))
    if kind == "extra_forbidden":
        return f"{key} is not a parameter: remove it or correct its name"
    if kind == "missing":
        return f"{key} is missing: add it"
    said = message.removeprefix("Value error, ")
    if isinstance(given, dict):  # parameters that don't go together: the message names them
        return f"{key}: {said}" if key else said
    return f"{key} is {given!r}: {said}"
