"""The description of a run on MLflow's pages: a picture, and beside it what the run is and its main figures.

MLflow's page hides, until it is asked for more, what of a description lies below a hundred pixels: so nothing stands
above or below the picture, which is no higher.
"""

import re
from dataclasses import dataclass
from html import escape, unescape
from typing import Self

__all__ = ["PICTURE_HEIGHT", "RunDescription"]

PICTURE_HEIGHT = 88
"""In pixels; the page shows a picture in its own size."""

TABLE = re.compile(
    "<table><tr><td>(?P<picture>.*?)</td><td>(?P<about>[^<]*)"
    "(?:<br>(?P<figures>[^<]+))?(?:<br><i>(?P<caption>[^<]+)</i>)?</td></tr></table>"
)


@dataclass(frozen=True)
class RunDescription:
    """What it says: a line each on what the run is, its figures and what the picture shows; the picture is HTML.

    >>> said = RunDescription("A in the look of B.", picture="<img>", caption="step 3")
    >>> RunDescription.read(said.text()) == said
    True
    """

    about: str
    figures: str = ""
    picture: str = ""
    caption: str = ""

    @classmethod
    def read(cls, text: str) -> Self:
        """What a description says; of one that a person wrote its first paragraph."""
        found = TABLE.search(text)
        if not found:
            return cls(text.split("\n\n")[0])
        parts = {name: part or "" for name, part in found.groupdict().items()}
        picture = parts.pop("picture")
        return cls(picture=picture, **{name: unescape(part) for name, part in parts.items()})

    def text(self) -> str:
        """The description, as MLflow takes it."""
        caption = f"<i>{escape(self.caption)}</i>" if self.caption else ""
        lines = [line for line in (escape(self.about), escape(self.figures), caption) if line]
        return f"<table><tr><td>{self.picture}</td><td>{'<br>'.join(lines)}</td></tr></table>"
