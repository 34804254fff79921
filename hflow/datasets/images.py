"""Decoding and encoding of single images, and bringing them to a size."""

import io
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from hflow.foundation.errors import HflowError

__all__ = ["decode_ids", "decode_rgb", "encode_png", "fit_image", "open_image", "open_rgb", "read_ids"]

Source = Path | bytes


def open_image(source: Source) -> Image.Image:
    """Decode a whole image file, in its own mode.

    Raises:
        HflowError: the file is truncated, is no image, or is so large that it looks like a decompression bomb.
    """
    try:
        with Image.open(source if isinstance(source, Path) else io.BytesIO(source)) as image:
            # A phone's JPEG of several pictures shows the first, as its one picture.
            pictures = getattr(image, "n_frames", 1)
            if pictures > 1 and image.format != "MPO":
                raise HflowError(f"holds {pictures} pictures: give each a file of its own")
            image.load()
            return image
    except UnidentifiedImageError:
        raise HflowError("is not an image that Pillow knows") from None
    except FileNotFoundError:
        raise HflowError("is missing") from None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise HflowError(f"can't be decoded: {error}") from None


def open_rgb(source: Source) -> Image.Image:
    """Decode an image to RGB as a person sees it: turned upright, 16 bits scaled to 8, grey and palette expanded.

    Raises:
        HflowError: it can't be decoded, or has transparent pixels, whose colour is not known.
    """
    image = ImageOps.exif_transpose(open_image(source))
    if image.mode.startswith("I;16") or image.mode == "I":
        low, high = np.asarray(image).min(), np.asarray(image).max()
        if low < 0 or high > 65535:
            raise HflowError(f"holds numbers from {low} to {high}, whose range is not known: give it 8 or 16 bits")
        scaled = np.asarray(image).astype(np.int64) // 256
        return Image.fromarray(scaled.astype(np.uint8)).convert("RGB")
    if image.mode == "F":
        raise HflowError("holds fractions, whose range is not known: give it 8 or 16 bits")
    if image.has_transparency_data and np.asarray(image.convert("RGBA"))[..., 3].min() < 255:
        raise HflowError("has transparent pixels: give it a background first")
    return image.convert("RGB")


def read_ids(source: Source) -> np.ndarray:
    """The ids of a label map, uint8 (H, W): grey values, or palette indices.

    Raises:
        HflowError: it can't be decoded, is a colour image, or has ids over 255.
    """
    image = open_image(source)
    if image.mode not in ("L", "P", "1") and not image.mode.startswith("I"):
        raise HflowError(f"holds colours (mode {image.mode}), not ids")
    ids = np.asarray(image)
    if ids.max() > 255:
        raise HflowError(f"has the id {ids.max()}; ids go to 255")
    return ids.astype(np.uint8)


def decode_rgb(content: bytes) -> np.ndarray:
    """An encoded image as uint8 (H, W, 3)."""
    return np.asarray(open_rgb(content))


def decode_ids(content: bytes) -> np.ndarray:
    """An encoded label map as uint8 (H, W)."""
    return read_ids(content)


def encode_png(pixels: np.ndarray | Image.Image) -> bytes:
    """PNG bytes of uint8 pixels, (H, W, 3) or (H, W), at the level that writes fastest."""
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def fit_image(
    image: Image.Image, size: tuple[int, int] | None, fit: Literal["crop", "stretch"], *, nearest: bool = False
) -> Image.Image:
    """Bring an image to a size.

    Args:
        image: any mode.
        size: (width, height); None leaves it as it is.
        fit: "crop" keeps the aspect ratio and cuts what is over, evenly on both sides; "stretch" keeps everything.
        nearest: take the nearest pixel, as labels need; else bicubic with antialiasing.
    """
    if size is None or image.size == tuple(size):
        return image
    box = (0.0, 0.0, float(image.width), float(image.height))
    if fit == "crop":
        scale = min(image.width / size[0], image.height / size[1])
        left, top = (image.width - size[0] * scale) / 2, (image.height - size[1] * scale) / 2
        box = (left, top, image.width - left, image.height - top)
    return image.resize(size, Image.Resampling.NEAREST if nearest else Image.Resampling.BICUBIC, box=box)
