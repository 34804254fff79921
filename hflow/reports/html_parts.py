"""HTML pages that carry everything with them: templates, numbers as text, pictures as data."""

import base64
import colorsys
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from PIL import Image

from hflow.foundation.atomic_files import write_text
from hflow.foundation.contact_sheet import narrowed
from hflow.foundation.labels import CITYSCAPES, IGNORE

__all__ = [
    "PICTURE_BYTES",
    "Colour",
    "class_colours",
    "count",
    "duration",
    "jpeg_uri",
    "label_uri",
    "legend",
    "number",
    "picture_uris",
    "signed",
    "write_page",
]

PICTURE_BYTES = 5_000_000
"""Bytes of all frames of a page together; base64 makes a third more of them, and the page is to stay under 10 MB."""

NARROWER = (720, 540, 400, 280, 160)

Colour = tuple[int, int, int]


def write_page(template: str, values: Mapping[str, Any], path: Path) -> None:
    """Write a page from a template of hflow, atomically; the same values give the same bytes."""
    environment = Environment(
        loader=PackageLoader("hflow.reports"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters |= {"number": number, "signed": signed, "count": count}
    write_text(path, environment.get_template(template).render(values))


def number(value: float) -> str:
    """Three decimals."""
    return f"{value:.3f}".replace("-", "−")


def signed(value: float) -> str:
    """Three decimals, with a sign."""
    return f"{value:+.3f}".replace("-", "−")


def count(value: int) -> str:
    """With commas."""
    return f"{value:,}"


def duration(seconds: float) -> str:
    """The two units that matter: 4.2 s, 1 min 05 s, 2 h 03 min."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02} s" if minutes < 60 else f"{minutes // 60:,} h {minutes % 60:02} min"


def picture_uris(
    images: Mapping[str, np.ndarray], label: np.ndarray | None, colours: Sequence[Colour], budget: int
) -> dict[str, str | None]:
    """Images of one frame, uint8 (H, W, 3), and its label map as data URIs, by name.

    All have one width, the largest with which they fit into the budget of bytes.
    """
    width = next(iter(images.values())).shape[1]
    made: dict[str, str | None] = {}
    for limit in (width, *(narrower for narrower in NARROWER if narrower < width)):
        made = {name: jpeg_uri(pixels, limit) for name, pixels in images.items()}
        made["label"] = None if label is None else label_uri(narrowed(label, limit), colours)
        if sum(len(uri or "") for uri in made.values()) <= budget * 4 / 3:
            break
    return made


def jpeg_uri(pixels: np.ndarray, width: int) -> str:
    """An image, uint8 (H, W, 3), as a data URI, at most so wide."""
    buffer = io.BytesIO()
    Image.fromarray(narrowed(pixels, width)).save(buffer, "JPEG", quality=88, subsampling=0)
    return _data_uri("jpeg", buffer)


def class_colours(names: Sequence[str]) -> list[Colour]:
    """256 colours: those of Cityscapes for its classes, well apart for others, black for what is no class."""
    known = {line.name: line.colour for line in CITYSCAPES}
    # Hues a golden angle apart never come close to each other.
    turns = [colorsys.hsv_to_rgb(i * 0.381966 % 1, 0.65, 0.9) for i in range(len(names))]
    made = [(round(255 * r), round(255 * g), round(255 * b)) for r, g, b in turns]
    colours = [known.get(name, colour) for name, colour in zip(names, made, strict=True)]
    return colours + [(0, 0, 0)] * (256 - len(colours))


def legend(
    labels: Sequence[np.ndarray | None], names: Sequence[str], colours: Sequence[Colour]
) -> list[tuple[str, str]]:
    """The classes that are seen in some label maps, each with its colour."""
    seen = {int(i) for label in labels if label is not None for i in np.unique(label)}
    return [(name, f"#{bytes(colours[i]).hex()}") for i, name in enumerate(names) if i in seen]


def label_uri(ids: np.ndarray, colours: Sequence[Colour]) -> str:
    """A label map in colours, clear where no class is."""
    image = Image.fromarray(ids)
    image.putpalette([value for colour in colours for value in colour])
    buffer = io.BytesIO()
    image.save(buffer, "PNG", transparency=IGNORE)
    return _data_uri("png", buffer)


def _data_uri(kind: str, buffer: io.BytesIO) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode()}"
