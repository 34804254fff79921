"""A PNG that is called whole can be read, and has the size that is told; damage is never called whole."""

import io
import zlib

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from hflow.datasets.images import decode_rgb, encode_png
from hflow.datasets.whole_png import whole_rgb_png

SIDES = st.integers(1, 40)


def _picture(width: int, height: int) -> np.ndarray:
    return np.random.default_rng(width * 100 + height).integers(0, 256, (height, width, 3), np.uint8)


@given(width=SIDES, height=SIDES)
def test_pictures_as_hflow_writes_them_are_whole(width: int, height: int) -> None:
    assert whole_rgb_png(encode_png(_picture(width, height))) == (width, height)


@given(data=st.data())
def test_no_flipped_bit_and_no_cut_is_called_whole(data: st.DataObject) -> None:
    content = bytearray(encode_png(_picture(9, 7)))
    if data.draw(st.booleans()):
        content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    else:
        del content[data.draw(st.integers(0, len(content) - 1)) :]
    assert whole_rgb_png(bytes(content)) is None


def _png(rows: bytes, size: tuple[int, int]) -> bytes:
    header = size[0].to_bytes(4, "big") + size[1].to_bytes(4, "big") + b"\x08\x02\0\0\0"
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        len(body).to_bytes(4, "big") + name + body + zlib.crc32(name + body).to_bytes(4, "big") for name, body in chunks
    )


def test_pixels_must_be_as_many_as_the_size_says_and_their_filters_known() -> None:
    row = b"\0" + bytes(6)
    assert whole_rgb_png(_png(2 * row, (2, 2))) == (2, 2)
    assert decode_rgb(_png(2 * row, (2, 2))).shape == (2, 2, 3)
    for rows in (row, 3 * row, b"\x05" + bytes(6) + row, 2 * row[:-1]):
        assert whole_rgb_png(_png(rows, (2, 2))) is None
    assert whole_rgb_png(_png(b"", (0, 2))) is None


def test_other_images_are_left_to_a_reader_of_images() -> None:
    picture = Image.fromarray(_picture(8, 8))
    for mode in ("L", "P", "RGBA"):
        assert whole_rgb_png(encode_png(picture.convert(mode))) is None
    jpeg, profiled = io.BytesIO(), io.BytesIO()
    picture.save(jpeg, "JPEG")
    picture.save(profiled, "PNG", icc_profile=b"profile")
    assert whole_rgb_png(jpeg.getvalue()) is None
    assert whole_rgb_png(profiled.getvalue()) is None
