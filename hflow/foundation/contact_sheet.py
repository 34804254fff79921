"""Pictures side by side, for a person to look at."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

__all__ = ["contact_sheet", "first_row", "narrowed"]

GAP, HEADER = 4, 18


def contact_sheet(
    rows: Sequence[Sequence[np.ndarray]], titles: Sequence[str], *, cell: tuple[int, int] | None = None
) -> Image.Image:
    """A grid of images under column titles.

    Args:
        rows: uint8 images (H, W, 3), as many a row as there are titles.
        titles: what each column shows.
        cell: (width, height) that images are fitted into; None takes the first image's size, made 240 to 480 wide.
    """
    height, width = rows[0][0].shape[:2]
    scale = min(max(width, 240), 480) / width
    cell = cell or (round(width * scale), round(height * scale))
    size = (GAP + len(titles) * (cell[0] + GAP), HEADER + len(rows) * (cell[1] + GAP))
    sheet = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(12)
    for column, title in enumerate(titles):
        draw.text((GAP + column * (cell[0] + GAP), 2), title, fill="black", font=font)
    for line, images in enumerate(rows):
        for column, pixels in enumerate(images):
            image = Image.fromarray(pixels)
            fitted = min(cell[0] / image.width, cell[1] / image.height)
            image = image.resize((round(image.width * fitted), round(image.height * fitted)), Image.Resampling.BICUBIC)
            sheet.paste(image, (GAP + column * (cell[0] + GAP), HEADER + line * (cell[1] + GAP)))
    return sheet


def first_row(sheet: Image.Image, height: int) -> Image.Image:
    """The titles and the first row of a contact sheet, at most so high; the whole where no gap ends a row."""
    white = np.asarray(sheet.convert("L")).min(axis=1) == 255  # (H,)
    gaps = (y for y in range(HEADER, sheet.height - GAP) if white[y : y + GAP].all())
    row = sheet.crop((0, 0, sheet.width, next(gaps, sheet.height)))
    row.thumbnail((row.width, height))
    return row


def narrowed(pixels: np.ndarray, width: int) -> np.ndarray:
    """An image, uint8 (H, W, 3), or a label map (H, W) by its nearest pixels, at most so wide."""
    height, now = pixels.shape[:2]
    if now <= width:
        return pixels
    method = Image.Resampling.NEAREST if pixels.ndim == 2 else Image.Resampling.BICUBIC
    return np.asarray(Image.fromarray(pixels).resize((width, max(1, round(height * width / now))), method))
