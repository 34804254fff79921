"""Images as a person sees them, or refused with the reason."""

import io

import numpy as np
import pytest
from PIL import Image

from hflow.datasets.images import decode_rgb, encode_png, fit_image, open_rgb, read_ids
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


def test_stretch_keeps_everything() -> None:
    pixels = np.zeros((30, 40, 3), np.uint8)
    pixels[:15] = 200
    stretched = np.asarray(fit_image(Image.fromarray(pixels), (40, 20), "stretch", nearest=True))
    assert (stretched == 200).mean() == pytest.approx(0.5)


def test_nearest_invents_no_ids() -> None:
    ids = np.random.default_rng(0).choice(np.array([7, 23, 26], np.uint8), (31, 53))
    resized = fit_image(Image.fromarray(ids), (20, 10), "crop", nearest=True)
    assert set(np.unique(np.asarray(resized))) <= {7, 23, 26}
