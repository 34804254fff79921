"""Decoding and encoding of single images, and bringing them to a size."""

import contextlib
import errno
import io
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image, ImageCms, ImageFile, UnidentifiedImageError

from hflow.foundation.errors import HflowError, PassingError
from hflow.foundation.frame_size import MOST_PIXELS

__all__ = [
    "FORMATS",
    "decode_ids",
    "decode_rgb",
    "encode_png",
    "fit_image",
    "open_image",
    "open_rgb",
    "open_upright",
    "opened",
    "read_fault",
    "read_ids",
    "read_size",
    "stored_size",
    "turn_upright",
]

Source = Path | bytes

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "DIB", "TIFF")
"""What an image may be, in Pillow's names, whatever its file is called: others, such as EPS, run programs."""
KINDS = "PNG, JPEG, WebP, BMP, TIFF"

# What has fewer is asked for on purpose.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)

LASTING = (None, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.ELOOP, errno.EINVAL)
"""Errors of reading that come of the file or its name, EINVAL where a damaged header leads before the file's start."""

_ORIENTATION = 0x0112  # of EXIF: 1 is upright, 2 to 8 are turned or mirrored, from 5 on with the sides exchanged

_UPRIGHT_BY = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What turns an image of an orientation upright. ImageOps.exif_transpose also writes the EXIF anew, and fails where
another tag of it is damaged."""


@contextlib.contextmanager
def opened(source: Source, *, max_pixels: int = MOST_PIXELS) -> Iterator[ImageFile.ImageFile]:
    """An image file whose header has been read and whose pixels have not; it is open while the context lasts.

    Whatever Pillow says of the file in the context becomes an HflowError.

    Raises:
        HflowError: it is missing, of none of the FORMATS, or of more pixels than `max_pixels`; a PassingError where the
            system can't read it now.
    """
    with _said(), Image.open(source if isinstance(source, Path) else io.BytesIO(source), formats=FORMATS) as image:
        if image.width * image.height > max_pixels:
            raise HflowError(f"has too many pixels: it is {image.width}x{image.height}, the most is {max_pixels:,}")
        yield image


def open_image(source: Source, *, max_pixels: int = MOST_PIXELS) -> Image.Image:
    """Decode a whole image file, in its own mode, as it is stored.

    Raises:
        HflowError: the file is truncated, of none of the FORMATS, or of more pixels than `max_pixels`.
    """
    return _decoded(source, max_pixels)[0]


def open_rgb(source: Source, *, max_pixels: int = MOST_PIXELS) -> Image.Image:
    """Decode an image to RGB as a person sees it.

    It is turned upright, its colours are converted to sRGB where a profile says that they are others, 16 bits are
    scaled to 8, grey and palette expanded.

    Raises:
        HflowError: as open_image, or it has transparent pixels, whose colour is not known.
    """
    return open_upright(source, max_pixels=max_pixels)[0]


def open_upright(source: Source, *, max_pixels: int = MOST_PIXELS) -> tuple[Image.Image, int]:
    """An image as `open_rgb` gives it, and the EXIF orientation, 1 to 8, that it is stored in.

    Raises:
        HflowError: as open_rgb.
    """
    stored, orientation = _decoded(source, max_pixels)
    # Pillow has turned a TIFF as it loaded it.
    image = stored if stored.format == "TIFF" else _turned(stored, orientation)
    if image.mode.startswith("I;16") or image.mode == "I":
        low, high = np.asarray(image).min(), np.asarray(image).max()
        if low < 0 or high > 65535:
            raise HflowError(f"holds numbers whose range is not known: from {low} to {high}; give it 8 or 16 bits")
        scaled = np.asarray(image).astype(np.int64) // 256
        return Image.fromarray(scaled.astype(np.uint8)).convert("RGB"), orientation
    if image.mode == "F":
        raise HflowError("holds fractions, whose range is not known: give it 8 or 16 bits")
    if image.has_transparency_data and np.asarray(image.convert("RGBA"))[..., 3].min() < 255:
        raise HflowError("has transparent pixels: give it a background first")
    return _in_srgb(image), orientation


def stored_size(size: tuple[int, int], orientation: int) -> tuple[int, int]:
    """The (width, height) in the file of an image that has this size once it is turned upright, or the other way."""
    return (size[1], size[0]) if orientation >= 5 else size


def turn_upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Pixels, (H, W), turned as an image of this EXIF orientation is turned."""
    return np.asarray(_turned(Image.fromarray(pixels), orientation))


def read_size(path: Path, *, max_pixels: int = MOST_PIXELS) -> tuple[tuple[int, int], int]:
    """Upright (width, height) and EXIF orientation of an image, from its header.

    Raises:
        HflowError: it is of none of the FORMATS, or of more pixels than `max_pixels`.
    """
    with opened(path, max_pixels=max_pixels) as image:
        # Pillow would decode a whole PNG in search of a tag behind the pixels.
        tagged = image.format != "PNG" or "exif" in image.info
        orientation = _orientation(image) if tagged else 1
        # Pillow gives the upright size of a TIFF, the stored one of others.
        return image.size if image.format == "TIFF" else stored_size(image.size, orientation), orientation


def read_ids(source: Source, *, max_pixels: int = MOST_PIXELS) -> np.ndarray:
    """The ids of a label map as they are stored, uint8 (H, W): grey values of 1 to 16 bits, or palette indices.

    Raises:
        HflowError: it can't be decoded, is a colour image, or has ids over 255.
    """
    image = open_image(source, max_pixels=max_pixels)
    if image.mode not in ("L", "P", "1") and not image.mode.startswith("I"):
        raise HflowError(f"holds colours, not ids: its mode is {image.mode}")
    ids = np.asarray(image)
    if ids.max() > 255 or ids.min() < 0:
        raise HflowError(f"has ids over 255 or below 0: {ids.min()} to {ids.max()}")
    return ids.astype(np.uint8) // _grey_step(source)


def decode_rgb(content: bytes, *, max_pixels: int = MOST_PIXELS) -> np.ndarray:
    """An encoded image as uint8 (H, W, 3)."""
    return np.asarray(open_rgb(content, max_pixels=max_pixels))


def decode_ids(content: bytes, *, max_pixels: int = MOST_PIXELS) -> np.ndarray:
    """An encoded label map as uint8 (H, W)."""
    return read_ids(content, max_pixels=max_pixels)


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
        # A width of 880 by 200 and times 200 again is a little more than 880.
        left, top = (max(0.0, (image.width - size[0] * scale) / 2), max(0.0, (image.height - size[1] * scale) / 2))
        box = (left, top, image.width - left, image.height - top)
    return image.resize(size, Image.Resampling.NEAREST if nearest else Image.Resampling.BICUBIC, box=box)


def read_fault(error: OSError) -> HflowError:
    """What an error of reading a file says of the file, as a PassingError where reading may go well another time."""
    if isinstance(error, FileNotFoundError):
        return HflowError("is missing, or a link to nothing")
    kind = HflowError if error.errno in LASTING else PassingError
    return kind(f"can't be read: {error.strerror or error}")


def _decoded(source: Source, max_pixels: int) -> tuple[Image.Image, int]:
    """A decoded image, and its EXIF orientation."""
    with _said():
        # Of a file, Pillow's reader of PNGs would take as much memory as a chunk says that it is long.
        content = source.read_bytes() if isinstance(source, Path) else source
    with opened(content, max_pixels=max_pixels) as image:
        # A phone's JPEG of several pictures shows the first, as its one picture.
        pictures = getattr(image, "n_frames", 1)
        if pictures > 1 and image.format != "MPO":
            raise HflowError(f"is more than one picture: it holds {pictures} pictures; give each a file of its own")
        # Pillow turns a TIFF upright as it loads, and its tag is gone after that.
        orientation = _orientation(image) if image.format == "TIFF" else 0
        image.load()
        return image, orientation or _orientation(image)


@contextlib.contextmanager
def _said() -> Iterator[None]:
    """Whatever Pillow says of a file becomes an HflowError."""
    try:
        yield
    except HflowError:
        raise
    except UnidentifiedImageError:
        raise HflowError(f"is not an image of a kind that is read ({KINDS})") from None
    except Image.DecompressionBombError:
        raise HflowError(f"has too many pixels: the most is {MOST_PIXELS:,}") from None
    except MemoryError:
        raise
    except Exception as error:  # Pillow's readers raise whatever a broken file leads them into
        if isinstance(error, OSError) and error.errno is not None:  # Pillow's own have no number
            raise read_fault(error) from None
        raise HflowError(f"can't be decoded: {error or type(error).__name__}") from None


def _orientation(image: Image.Image) -> int:
    try:
        orientation = image.getexif().get(_ORIENTATION, 1)
    except MemoryError:
        raise
    except Exception:  # of an EXIF that can't be read, which viewers pass over
        return 1
    return int(orientation) if orientation in range(1, 9) else 1


def _turned(image: Image.Image, orientation: int) -> Image.Image:
    method = _UPRIGHT_BY.get(orientation)
    return image if method is None else image.transpose(method)


def _in_srgb(image: Image.Image) -> Image.Image:
    """An image of any mode of 8 bits as RGB in sRGB, which is what an image without a profile is taken for."""
    profile = image.info.get("icc_profile")
    try:
        if image.mode not in ("L", "CMYK", "RGB"):
            image = image.convert("L" if image.mode in ("1", "LA", "La") else "RGB")
        given = ImageCms.ImageCmsProfile(io.BytesIO(profile)) if profile else None
        if given and "srgb" not in ImageCms.getProfileDescription(given).lower():
            if given.profile.xcolor_space.strip() == "RGB":
                image = image.convert("RGB")
            srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
            image = ImageCms.applyTransform(image, ImageCms.buildTransform(given, srgb, image.mode, "RGB")) or image
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError) as error:
        raise HflowError(f"has colours that can't be brought to sRGB: {error}") from None
    image = image if image.mode == "RGB" else image.convert("RGB")
    image.info.clear()
    return image


def _grey_step(source: Source) -> int:
    """By how much Pillow spreads the grey values of a PNG: it shows 2 and 4 bits as 8.

    In a PNG byte 24 is the bit depth and byte 25 the kind, of which 0 is grey (PNG specification, section 11.2.2).
    """
    if isinstance(source, Path):
        with source.open("rb") as file:
            head = file.read(26)
    else:
        head = source[:26]
    is_grey = head.startswith(b"\x89PNG") and len(head) == 26 and head[25] == 0
    return {2: 85, 4: 17}.get(head[24], 1) if is_grey else 1
