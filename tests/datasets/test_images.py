"""Images as a person sees them, or refused with the reason."""

import io
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageOps

from hflow.datasets.images import (
    decode_rgb,
    encode_png,
    fit_image,
    open_image,
    open_rgb,
    open_upright,
    read_ids,
    read_size,
    turn_upright,
)
from hflow.foundation.errors import HflowError
from tests.pictures import random_picture


def _png(image: Image.Image, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", **options)
    return buffer.getvalue()


def test_png_keeps_every_pixel() -> None:
    pixels = random_picture(0)
    assert np.array_equal(decode_rgb(encode_png(pixels)), pixels)


def test_sixteen_bits_are_scaled_to_eight() -> None:
    grey = Image.fromarray(np.array([[0, 65535], [32768, 256]], np.uint16))
    assert np.asarray(open_rgb(_png(grey)))[..., 0].tolist() == [[0, 255], [128, 1]]


def test_numbers_of_more_than_sixteen_bits_are_refused() -> None:
    buffer = io.BytesIO()
    Image.fromarray(np.array([[0, 70000]], np.int32)).save(buffer, "TIFF")
    with pytest.raises(HflowError, match="from 0 to 70000"):
        open_rgb(buffer.getvalue())


def test_grey_and_palette_become_rgb() -> None:
    grey = Image.fromarray(random_picture(0)[..., 0])
    assert np.array_equal(np.asarray(open_rgb(_png(grey)))[..., 1], np.asarray(grey))
    palette = Image.fromarray(random_picture(0)).quantize(8)
    assert np.array_equal(np.asarray(open_rgb(_png(palette))), np.asarray(palette.convert("RGB")))


def test_a_turned_photograph_comes_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turn clockwise by 90 degrees to see it upright
    content = _png(Image.fromarray(random_picture(0, (48, 24))), exif=exif)
    assert open_rgb(content).size == (24, 48)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF"])
def test_every_orientation_comes_upright_as_pillow_turns_it(orientation: int, kind: str) -> None:
    exif, buffer = Image.Exif(), io.BytesIO()
    exif[0x0112] = orientation
    pixels = random_picture(0, (48, 24))
    Image.fromarray(pixels).save(buffer, kind, exif=exif, **({"lossless": True} if kind == "WEBP" else {}))
    with Image.open(buffer) as image:
        wanted = np.asarray(ImageOps.exif_transpose(image))
    upright, found = open_upright(buffer.getvalue())
    assert (found, wanted.shape[:2]) == (orientation, (48, 24) if orientation > 4 else (24, 48))
    assert np.array_equal(np.asarray(upright), wanted)
    if kind == "PNG":
        assert np.array_equal(turn_upright(pixels[..., 0], orientation), wanted[..., 0])


def test_a_turned_photograph_with_other_damaged_exif_tags_comes_upright() -> None:
    exif, buffer = Image.Exif(), io.BytesIO()
    exif[0x0112], exif[0x0128] = 6, 2
    Image.fromarray(random_picture(0, (48, 24))).save(buffer, "JPEG", exif=exif)
    whole = buffer.getvalue()
    wanted = np.asarray(open_rgb(whole))
    assert wanted.shape[:2] == (48, 24)
    kind = whole.index(b"\x01\x28\0\x03") + 2  # the unit of the resolution, a short number
    failures = 0
    for other in range(14):
        content = whole[:kind] + bytes([0, other]) + whole[kind + 2 :]
        assert np.array_equal(np.asarray(open_rgb(content)), wanted)
        try:
            ImageOps.exif_transpose(Image.open(io.BytesIO(content)))
        except Exception:  # several kinds
            failures += 1
    assert failures


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_a_picture_whose_exif_can_t_be_read_is_taken_as_it_is_stored(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "a"
    for exif in (b"Exif\0\0nothing of the kind", b"Exif\0\0MM\0*\0\0\0\x08\0\x09\x01\x12"):
        Image.fromarray(random_picture(0, (48, 24))).save(path, kind, exif=exif)
        upright, orientation = open_upright(path)
        assert (upright.size, orientation) == ((48, 24), 1)
        assert read_size(path) == ((48, 24), 1)


def test_an_opaque_alpha_is_dropped_and_a_transparent_one_refused() -> None:
    image = Image.fromarray(random_picture(0)).convert("RGBA")
    assert open_rgb(_png(image)).mode == "RGB"
    image.putalpha(100)
    with pytest.raises(HflowError, match="transparent"):
        open_rgb(_png(image))


def test_a_truncated_file_is_refused() -> None:
    content = encode_png(random_picture(0))
    with pytest.raises(HflowError, match="can't be decoded"):
        open_rgb(content[: len(content) // 2])


def test_what_is_no_image_is_refused() -> None:
    with pytest.raises(HflowError, match="not an image"):
        open_rgb(b"hello")


@pytest.mark.parametrize("kind", ["EPS", "GIF", "PPM", "ICO", "TGA", "PCX", "JPEG2000"])
def test_what_is_of_another_format_is_refused_whatever_its_name(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(random_picture(0)).save(path, kind)
    for read in (open_rgb, read_size, read_ids):
        with pytest.raises(HflowError, match=r"not an image of a kind that is read \(PNG, JPEG, WebP, BMP, TIFF\)"):
            read(path)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "BMP", "TIFF"])
def test_too_many_pixels_are_seen_in_the_header(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "a"
    Image.new("RGB", (40, 25)).save(path, kind)
    cut = tmp_path / "cut"
    cut.write_bytes(path.read_bytes()[: -40 if kind == "BMP" else None])
    for read in (open_rgb, open_image, read_size, read_ids):
        with pytest.raises(HflowError, match="too many pixels: it is 40x25, the most is 999"):
            read(cut, max_pixels=999)
    assert open_rgb(path, max_pixels=1000).size == (40, 25)


def test_a_bomb_is_refused_without_being_asked_for() -> None:
    content = bytearray(_grey_png(np.zeros((2, 2), np.uint8), 8))
    content[16:24] = struct.pack(">II", 60000, 60000)
    content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
    with pytest.raises(HflowError, match="too many pixels: the most is 178,956,970"):
        open_rgb(bytes(content))


def test_a_chunk_that_says_it_is_long_takes_no_memory(tmp_path: Path) -> None:
    content = bytearray(encode_png(random_picture(0)))
    place = content.index(b"IDAT")
    content[place - 4 : place] = struct.pack(">I", 1 << 31)
    (tmp_path / "long.png").write_bytes(content)
    code = (
        "import resource, sys\n"
        "from pathlib import Path\n"
        "from hflow.datasets.images import open_rgb\n"
        "pages = int(Path('/proc/self/statm').read_text().split()[0])\n"
        "resource.setrlimit(resource.RLIMIT_AS, [pages * resource.getpagesize() + (1 << 29)] * 2)\n"
        "open_rgb(Path(sys.argv[1]))\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "long.png")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_ids_come_from_grey_values_and_from_palette_indices() -> None:
    ids = np.array([[0, 7], [26, 255]], np.uint8)
    assert np.array_equal(read_ids(_png(Image.fromarray(ids))), ids)
    palette = Image.fromarray(ids, "P")
    palette.putpalette([0, 0, 0] * 256)
    assert np.array_equal(read_ids(_png(palette)), ids)


def test_a_label_of_colours_is_refused() -> None:
    with pytest.raises(HflowError, match="colours"):
        read_ids(_png(Image.fromarray(random_picture(0))))


def test_crop_keeps_the_aspect_and_cuts_both_sides_evenly() -> None:
    pixels = np.zeros((30, 40, 3), np.uint8)
    pixels[5:25] = 200  # what a 2:1 crop of a 4:3 image keeps
    cropped = fit_image(Image.fromarray(pixels), (40, 20), "crop", nearest=True)
    assert np.asarray(cropped).min() == 200


@pytest.mark.parametrize("width", range(200, 300))
def test_crop_takes_images_of_every_width(width: int) -> None:
    assert fit_image(Image.new("L", (width, 300)), (200, 150), "crop").size == (200, 150)


def test_stretch_keeps_everything() -> None:
    pixels = np.zeros((30, 40, 3), np.uint8)
    pixels[:15] = 200
    stretched = np.asarray(fit_image(Image.fromarray(pixels), (40, 20), "stretch", nearest=True))
    assert (stretched == 200).mean() == pytest.approx(0.5)


def test_nearest_invents_no_ids() -> None:
    ids = np.random.default_rng(0).choice(np.array([7, 23, 26], np.uint8), (31, 53))
    resized = fit_image(Image.fromarray(ids), (20, 10), "crop", nearest=True)
    assert set(np.unique(np.asarray(resized))) <= {7, 23, 26}


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_grey_ids_are_the_numbers_stored_at_every_depth(bits: int) -> None:
    ids = np.arange(2**bits, dtype=np.uint8).reshape(2, -1)
    palette = Image.fromarray(ids, "P")
    palette.putpalette([0, 0, 0] * 2**bits)
    content = bytearray(_png(palette, bits=bits))
    assert np.array_equal(read_ids(bytes(content)), ids)
    grey = _grey_png(ids, bits)
    assert np.array_equal(read_ids(grey), ids)


def _grey_png(ids: np.ndarray, bits: int) -> bytes:
    """A grey PNG of 1, 2, 4 or 8 bits, which Pillow writes at 1 and 8 only."""
    spread = np.unpackbits(ids[..., None], axis=-1)[..., 8 - bits :].reshape(len(ids), -1)
    rows = b"".join(b"\0" + np.packbits(row).tobytes() for row in spread)
    head = struct.pack(">IIBBBBB", ids.shape[1], ids.shape[0], bits, 0, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(c)) + kind + c + struct.pack(">I", zlib.crc32(kind + c)) for kind, c in chunks
    )


def _profile(description: str) -> bytes:
    """An ICC profile of Adobe RGB (1998): its primaries adapted to D50 and its gamma of 563/256 (ICC.1:2001-04)."""

    def xyz(*values: float) -> bytes:
        return b"XYZ \0\0\0\0" + b"".join(struct.pack(">i", round(value * 65536)) for value in values)

    text = description.encode() + b"\0"
    tags = {
        b"desc": b"desc\0\0\0\0" + struct.pack(">I", len(text)) + text + bytes(78),
        b"cprt": b"text\0\0\0\0none\0",
        b"wtpt": xyz(0.9642, 1.0, 0.8249),
        b"rXYZ": xyz(0.60974, 0.31111, 0.01947),
        b"gXYZ": xyz(0.20528, 0.62567, 0.06087),
        b"bXYZ": xyz(0.14919, 0.06322, 0.74457),
        **dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), b"curv\0\0\0\0" + struct.pack(">IH", 1, 563)),
    }
    tags = {name: content + bytes(-len(content) % 4) for name, content in tags.items()}
    table, place = struct.pack(">I", len(tags)), 132 + 12 * len(tags)
    for name, content in tags.items():
        table += name + struct.pack(">II", place, len(content))
        place += len(content)
    head = struct.pack(">I", place) + bytes(4) + b"\x02\x10\0\0mntrRGB XYZ " + bytes(12) + b"acsp" + bytes(28)
    head += struct.pack(">iii", 63190, 65536, 54061)
    return head + bytes(128 - len(head)) + table + b"".join(tags.values())


def test_colours_of_another_profile_are_brought_to_srgb() -> None:
    grey_and_green = np.array([[[128, 128, 128], [100, 200, 100]]], np.uint8).repeat(4, axis=0)
    content = _png(Image.fromarray(grey_and_green), icc_profile=_profile("Adobe RGB (1998)"))
    image = open_rgb(content)
    # x^2.2 of Adobe RGB through its matrix and that of sRGB, by hand.
    assert abs(np.asarray(image)[0].astype(int) - [[127, 127, 127], [0, 202, 93]]).max() <= 3
    assert "icc_profile" not in image.info


def test_a_profile_of_srgb_changes_nothing_and_one_that_is_none_is_named() -> None:
    pixels = random_picture(0)
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert np.array_equal(decode_rgb(_png(Image.fromarray(pixels), icc_profile=srgb)), pixels)
    with pytest.raises(HflowError, match="can't be brought to sRGB"):
        decode_rgb(_png(Image.fromarray(pixels), icc_profile=b"no profile"))
