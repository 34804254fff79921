"""Docstrings that say one thing of several names, `width, height: in pixels`, as the reference is to show them."""

import re
from typing import Any

from griffe import Extension, Object

__all__ = ["CombinedNames"]

_NAMES = re.compile(r"^ +\w+(?:, \w+)+(?=: )", re.MULTILINE)


class CombinedNames(Extension):
    """Joins the names by spaces that don't break: griffe takes what follows a plain one for the type."""

    def on_object(self, *, obj: Object, **_: Any) -> None:
        """Called for every module, class, function and attribute."""
        if obj.docstring:
            text = obj.docstring.value
            obj.docstring.value = _NAMES.sub(lambda found: found[0].replace(", ", ",\N{NO-BREAK SPACE}"), text)
