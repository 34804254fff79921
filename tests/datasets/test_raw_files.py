"""Files as they lie on people's disks: hidden ones, links, names, other formats, pictures turned by EXIF."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hflow.datasets.inspection import Inspection, inspect_dataset
from hflow.datasets.keys import key_fault
from hflow.datasets.layouts.opening import open_domains, open_raw
from hflow.datasets.samples import read_sample
from hflow.foundation.errors import HflowError
from hflow.foundation.params import DataParams, DomainParams
from tests.pictures import street_ids, write_cityscapes, write_gta
from tests.raw_data import picture, save, write_pair


def _domain(root: Path) -> DomainParams:
    return DomainParams(root=root, layout="gta")


def _check(root: Path) -> Inspection:
    return inspect_dataset(_domain(root), whole=True)


def _keys(root: Path) -> list[str]:
    return [sample.key for sample in open_raw(_domain(root)).splits["train"]]


def test_hidden_files_and_folders_are_passed_over(tmp_path: Path) -> None:
    write_pair(tmp_path, "1", street_ids(0))
    for hidden in (".ipynb_checkpoints/1-checkpoint.png", "@eaDir/1.png/thumb.jpg", "._1.png", "__MACOSX/1.png"):
        save(picture(), tmp_path / "images" / hidden)
        save(picture(), tmp_path / "labels" / Path(hidden).with_suffix(".png"))
    assert _keys(tmp_path) == ["1"]
    assert _check(tmp_path).at_fault == 0


def test_linked_folders_are_followed_and_circles_refused(tmp_path: Path) -> None:
    write_pair(tmp_path / "gta", "1", None)
    save(picture(1), tmp_path / "elsewhere" / "2.png")
    (tmp_path / "gta/images/more").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    assert _keys(tmp_path / "gta") == ["1", "more/2"]
    (tmp_path / "elsewhere/back").symlink_to(tmp_path / "gta/images", target_is_directory=True)
    with pytest.raises(HflowError, match=r"more/back is a link that leads back to"):
        _keys(tmp_path / "gta")


def test_a_link_to_nothing_is_named(tmp_path: Path) -> None:
    write_pair(tmp_path, "1", None)
    (tmp_path / "images/2.png").symlink_to(tmp_path / "gone.png")
    assert _check(tmp_path).faults == ["1 x is missing, or a link to nothing: images/2.png"]


def test_a_link_to_itself_is_one_file_at_fault(tmp_path: Path) -> None:
    write_pair(tmp_path, "1", None)
    (tmp_path / "images/2.png").symlink_to(tmp_path / "images/2.png")
    found = _check(tmp_path)
    assert found.at_fault == 1
    assert "images/2.png" in found.faults[0]


def test_names_that_can_be_no_key_are_rejected_by_name(tmp_path: Path) -> None:
    write_pair(tmp_path, "1", None)
    for name in ("中" * 80, "a\\0b", "b\nc", "\udcff"):
        save(picture(), tmp_path / "images" / f"{name}.png")
    found = _check(tmp_path)
    assert found.at_fault == 4
    assert "4 x name that can't be a key" in found.faults[0]
    found.faults[0].encode()


@pytest.mark.parametrize("key", ["a/b", "中" * 66, "1.5", "with space", "..a"])
def test_plain_names_are_keys(key: str) -> None:
    assert key_fault(key) is None


@pytest.mark.parametrize("key", ["", "/a", "a/../b", "a//b", "a\\b", "a\0b", "\udcff", "x" * 201, "."])
def test_other_names_are_none(key: str) -> None:
    assert key_fault(key)


def test_two_images_of_one_key_are_both_named(tmp_path: Path) -> None:
    write_pair(tmp_path, "1", None)
    write_pair(tmp_path, "2", None)
    save(picture(), tmp_path / "images" / "2.jpg")
    found = _check(tmp_path)
    assert found.at_fault == 2
    assert "images/2.jpg" in found.faults[0]
    assert "images/2.png" in found.faults[0]


def test_formats_that_are_not_read_are_counted_once(tmp_path: Path) -> None:
    write_pair(tmp_path, "1", None)
    for name in ("1.exr", "2.exr", "3.heic", "4.gif"):
        (tmp_path / "images" / name).write_bytes(b"")
    assert _check(tmp_path).notes == ["images has files of formats that are not read: 2 .exr, 1 .gif, 1 .heic"]


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "video.mp4").write_bytes(b"")
    with pytest.raises(HflowError, match=r"video\.mp4 is a file, not a folder"):
        _keys(tmp_path / "video.mp4")


@pytest.mark.parametrize("orientation", range(1, 9))
def test_picture_and_label_are_turned_together_where_they_are_stored_alike(tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    ids = street_ids(0)
    for name, label_exif in (("plain", Image.Exif()), ("tagged", exif)):
        save(np.dstack([ids, ids, ids]), tmp_path / "images" / f"{name}.png", exif=exif)
        save(ids, tmp_path / "labels" / f"{name}.png", exif=label_exif)
    assert _check(tmp_path).at_fault == 0
    dataset = open_raw(_domain(tmp_path))
    for sample in dataset.splits["train"]:
        read = read_sample(dataset, sample, labelled=True)
        assert np.array_equal(np.asarray(read.image)[..., 0], read.ids)


def test_a_label_stored_otherwise_than_its_turned_picture_is_named(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    save(picture(), tmp_path / "images" / "1.jpg", exif=exif)
    save(np.ascontiguousarray(street_ids(0).T), tmp_path / "labels" / "1.png")
    save(picture(), tmp_path / "images" / "2.jpg")
    save(street_ids(0), tmp_path / "labels" / "2.png", exif=exif)
    said = "\n".join(_check(tmp_path).faults)
    assert "the label is 24x48, the image 48x24, stored so and turned by its EXIF orientation 6" in said
    assert "label turned otherwise than its image: images/2.jpg" in said


def test_a_class_that_no_label_has_is_named(tmp_path: Path) -> None:
    source, target = write_gta(tmp_path / "gta", 1), write_cityscapes(tmp_path / "cs", [("train", 1)])
    data = {"source": {"root": source, "layout": "gta"}, "target": {"root": target, "layout": "cityscapes"}}
    with pytest.raises(HflowError, match="names trafic light, which no label has"):
        open_domains(DataParams.model_validate(data | {"classes": ["road", "trafic light"]}))


def test_faults_of_both_domains_are_named_together(tmp_path: Path) -> None:
    data = {"source": {"root": tmp_path / "a", "layout": "gta"}, "target": {"root": tmp_path / "b", "layout": "gta"}}
    with pytest.raises(HflowError, match=r"data\.source: .*a is missing.*data\.target: .*b is missing"):
        open_domains(DataParams.model_validate(data))


def test_faults_are_grouped_with_the_most_frequent_first(tmp_path: Path) -> None:
    for number in range(6):
        write_pair(tmp_path, str(number), street_ids(0))
    for number in range(4):
        (tmp_path / "labels" / f"{number}.png").unlink()
    save(Image.new("RGB", (48, 24)), tmp_path / "images" / "5.png")
    assert _check(tmp_path).faults == [
        "4 x label missing: images/0.png, images/1.png, images/2.png, ...",
        "1 x is of one colour: images/5.png",
    ]


def test_the_ids_of_one_class_are_counted_together(tmp_path: Path) -> None:
    write_pair(tmp_path, "1", street_ids(0))
    (tmp_path / "classes.yaml").write_text("7: flat\n23: flat\n26: car\n")
    found = inspect_dataset(DomainParams(root=tmp_path, layout="folder"))
    assert found.classes == pytest.approx({"flat": 1 - 48 / 1152, "car": 48 / 1152})
