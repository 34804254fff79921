"""A folder holds images of any kind: each comes out in colour and upright, or is refused by name."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from hflow.datasets.verification import verify
from hflow.foundation.errors import HflowError
from hflow.model.store import TrainedModel
from hflow.translation.folder import translate_folder
from tests.pictures import random_picture, street_ids
from tests.raw_data import picture, save


def test_the_folder_that_one_is_in_can_be_written_to(
    model: TrainedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(picture(), tmp_path / "frames/a.png")
    (tmp_path / "out").mkdir()
    monkeypatch.chdir(tmp_path / "out")
    assert translate_folder(Path("../frames"), Path(), model)["translated"] == 1
    assert {p.name for p in (tmp_path / "out").iterdir()} == {"a.png", "manifest.parquet"}
    assert {p.name for p in tmp_path.iterdir()} == {"frames", "out"}


def test_a_link_to_itself_is_one_rejected_image(model: TrainedModel, tmp_path: Path) -> None:
    save(picture(), tmp_path / "frames/a.png")
    (tmp_path / "frames/b.png").symlink_to(tmp_path / "frames/b.png")
    counts = translate_folder(tmp_path / "frames", tmp_path / "out", model, max_rejected=0.5)
    assert (counts["translated"], counts["rejected"]) == (1, 1)


@pytest.mark.parametrize("see_through", ["alpha", "palette"])
def test_labels_with_transparent_pixels_are_carried_and_found_whole(
    model: TrainedModel, tmp_path: Path, see_through: str
) -> None:
    save(picture(), tmp_path / "frames/images/a.png")
    label, place = Image.fromarray(street_ids(0)).convert("P"), tmp_path / "frames/labels/a.png"
    place.parent.mkdir()
    if see_through == "alpha":
        label = label.convert("RGBA")
        label.putalpha(0)
        label.save(place)
    else:
        label.save(place, transparency=int(street_ids(0)[0, 0]))
    translate_folder(tmp_path / "frames", tmp_path / "out", model)
    assert (tmp_path / "out/labels/a.png").read_bytes() == place.read_bytes()
    assert verify(tmp_path / "out").faults == []


def test_images_of_one_name_and_two_formats_are_both_translated(model: TrainedModel, tmp_path: Path) -> None:
    (tmp_path / "frames").mkdir()
    for suffix in ("png", "bmp"):
        Image.fromarray(random_picture(0)).save(tmp_path / "frames" / f"a.{suffix}")
    translate_folder(tmp_path / "frames", tmp_path / "out", model)
    assert {p.name for p in (tmp_path / "out").iterdir()} == {"a.png", "a.bmp", "manifest.parquet"}
    assert verify(tmp_path / "out").faults == []


def _grey16() -> Image.Image:
    return Image.fromarray(random_picture(0)[..., 0].astype(np.uint16) * 256)


def _see_through(alpha: int) -> Image.Image:
    image = Image.fromarray(random_picture(0)).convert("RGBA")
    image.putalpha(alpha)
    return image


@pytest.mark.parametrize(
    ("name", "picture"),
    [
        ("grey.png", lambda: Image.fromarray(random_picture(0)[..., 0])),
        ("deep.png", _grey16),
        ("deep.tif", _grey16),
        ("palette.png", lambda: Image.fromarray(random_picture(0)).quantize(16)),
        ("opaque.png", lambda: _see_through(255)),
        ("odd.jpg", lambda: Image.fromarray(random_picture(0, (37, 17)))),
        ("print.jpg", lambda: Image.fromarray(random_picture(0)).convert("CMYK")),
    ],
)
def test_images_of_any_kind_come_out_in_colour_and_at_their_size(
    model: TrainedModel, tmp_path: Path, name: str, picture: Callable[[], Image.Image]
) -> None:
    (tmp_path / "frames").mkdir()
    picture().save(tmp_path / "frames" / name)
    assert translate_folder(tmp_path / "frames", tmp_path / "out", model)["translated"] == 1
    with Image.open(tmp_path / "out" / name) as image:
        assert (image.size, image.mode) == (picture().size, "RGB")


def test_a_turned_photograph_comes_out_upright(model: TrainedModel, tmp_path: Path) -> None:
    (tmp_path / "frames").mkdir()
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(random_picture(0, (48, 24))).save(tmp_path / "frames/a.jpg", exif=exif)
    translate_folder(tmp_path / "frames", tmp_path / "out", model)
    with Image.open(tmp_path / "out/a.jpg") as image:
        assert image.size == (24, 48)
        assert not image.getexif().get(0x0112)


def _moving(path: Path) -> None:
    first, second = (Image.fromarray(random_picture(i)) for i in range(2))
    first.save(path, save_all=True, append_images=[second])


@pytest.mark.parametrize(
    ("name", "save", "reason"),
    [
        ("a.png", lambda p: _see_through(9).save(p), "transparent"),
        ("a.tif", lambda p: Image.fromarray(np.full((32, 32), 70000, np.int32)).save(p), "range is not known"),
        ("a.tif", lambda p: Image.new("F", (32, 32)).save(p), "fractions"),
        ("a.png", lambda p: Image.new("RGB", (9, 40)).save(p), "is 9x40; the least is 16x16"),
        ("a.webp", lambda p: _moving(p), "holds 2 pictures"),
        ("a.png", lambda p: p.write_bytes(b"PNG"), "not an image"),
        ("a.png", lambda p: p.write_bytes(b""), "not an image"),
    ],
)
def test_what_has_no_plain_meaning_is_refused_by_name(
    model: TrainedModel, tmp_path: Path, name: str, save: Callable[[Path], Any], reason: str
) -> None:
    (tmp_path / "frames").mkdir()
    save(tmp_path / "frames" / name)
    with pytest.raises(HflowError, match=f"first: {name}: .*{reason}"):
        translate_folder(tmp_path / "frames", tmp_path / "out", model)
    (row,) = pq.read_table(tmp_path / "out/manifest.parquet").to_pylist()
    assert (row["status"], reason in row["reason"]) == ("rejected", True)


def test_a_turned_image_with_a_label_is_rejected(model: TrainedModel, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 3
    save(picture(), tmp_path / "frames/images/1.jpg", exif=exif)
    save(np.zeros((24, 48), np.uint8), tmp_path / "frames/labels/1.png")
    with pytest.raises(HflowError, match="turned by its EXIF orientation 3, its label is not"):
        translate_folder(tmp_path / "frames", tmp_path / "out", model)
