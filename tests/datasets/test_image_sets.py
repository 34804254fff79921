"""Any set of images: shards and folders give the same frames; frames find their source by key."""

import weakref
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hflow.datasets import image_sets, shards
from hflow.datasets.image_sets import Frame, ImageSet, check_partners, labelled_set, match_keys, open_images
from hflow.datasets.shards import read_rows
from hflow.foundation.errors import HflowError
from hflow.segmentation.labelled_frames import LabelledFrames
from tests.conftest import Project

CLASSES = ["road", "sky", "car"]


def _as_files(project: Project, folder: Path, size: tuple[int, int] | None = None) -> Path:
    """The frames of the project as another tool would write them."""
    for frame in open_images(project.prepared / "source"):
        folder.mkdir(exist_ok=True)
        image = Image.fromarray(frame.pixels)
        (image.resize(size) if size else image).save(folder / f"{frame.key}.png")
    return folder


def test_shards_and_a_folder_of_the_same_images_give_the_same_frames(project: Project, tmp_path: Path) -> None:
    shards = open_images(project.prepared / "source")
    files = open_images(_as_files(project, tmp_path / "files"))
    assert sorted(shards.keys) == list(files.keys)
    pixels = {frame.key: frame.pixels for frame in shards}
    assert all(np.array_equal(frame.pixels, pixels[frame.key]) for frame in files)
    assert all(frame.label is not None for frame in shards)
    assert all(frame.label is None for frame in files)


def test_the_split_is_taken_where_there_is_one(project: Project) -> None:
    assert len(open_images(project.prepared / "target", "val")) == 3
    assert len(open_images(project.prepared / "target" / "train", "val")) == 6


def test_images_in_a_subfolder_images_are_those_meant(project: Project, tmp_path: Path) -> None:
    _as_files(project, tmp_path / "images")
    (tmp_path / "labels").mkdir()
    Image.new("L", (4, 4)).save(tmp_path / "labels" / "00000.png")
    assert open_images(tmp_path).keys[0] == "00000"
    assert len(open_images(tmp_path)) == 12


def test_a_key_is_matched_whole_or_by_its_last_part_where_that_is_one() -> None:
    sources = ["a/1", "b/1", "a/2"]
    assert match_keys(["a/1", "2", "1", "3"], sources) == {"a/1": "a/1", "2": "a/2"}


def test_a_folder_gets_the_labels_of_its_sources_at_their_size(project: Project, tmp_path: Path) -> None:
    source = open_images(project.prepared / "source")
    given = open_images(_as_files(project, tmp_path / "files", size=(50, 40)))
    found = labelled_set("theirs", given, source, tmp_path / "work")
    assert found is not None
    labels = {frame.key: frame.label for frame in source}
    rows = [row for path in found.files for row in read_rows(path)]
    assert {row["key"] for row in rows} == labels.keys()
    frames = LabelledFrames(found.files, CLASSES)
    for row, (pixels, ids) in zip(rows, frames, strict=True):
        assert pixels.shape[:2] == ids.shape == (24, 32)
        assert np.array_equal(ids, labels[row["key"]])
    assert labelled_set("theirs", given, source, tmp_path / "work") == found


def test_shards_are_a_training_set_as_they_are(project: Project, tmp_path: Path) -> None:
    source = open_images(project.prepared / "source")
    found = labelled_set("source", source, source, tmp_path / "work")
    assert found is not None
    assert list(found.files) == list(source.shards)
    assert not (tmp_path / "work").exists()


def test_one_frame_of_a_folder_is_decoded_at_a_time(project: Project, tmp_path: Path) -> None:
    living: list[weakref.ref[Frame]] = []
    most = 0

    def watched(images: ImageSet) -> ImageSet:
        def load(number: int) -> Frame:
            nonlocal most
            frame = images.load(number)
            living.append(weakref.ref(frame))
            most = max(most, sum(one() is not None for one in living))
            return frame

        return replace(images, load=load)

    source = open_images(project.prepared / "source")
    given = open_images(_as_files(project, tmp_path / "files"))
    assert labelled_set("theirs", watched(given), watched(source), tmp_path / "work") is not None
    assert (len(living), most) == (24, 2)  # a frame and its original


def test_labels_of_shards_are_looked_for_up_to_the_first(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    source = open_images(project.prepared / "source")
    read: list[Path] = []

    def read_table(path: Path, columns: list[str]) -> object:
        read.append(path)
        return shards.read_table(path, columns)

    monkeypatch.setattr(image_sets, "read_table", read_table)
    assert labelled_set("source", source, source, Path()) is not None
    assert read == [source.shards[0]]


def test_a_folder_without_sources_is_no_training_set(project: Project, tmp_path: Path) -> None:
    Image.new("RGB", (20, 20)).save(tmp_path / "elsewhere.png")
    source = open_images(project.prepared / "source")
    assert labelled_set("theirs", open_images(tmp_path), source, tmp_path / "work") is None


def test_what_is_no_set_is_named(tmp_path: Path) -> None:
    with pytest.raises(HflowError, match="none is not a folder"):
        open_images(tmp_path / "none")
    with pytest.raises(HflowError, match="no images"):
        open_images(tmp_path)
    (tmp_path / "broken.png").write_bytes(b"no image")
    with pytest.raises(HflowError, match=r"broken\.png"):
        open_images(tmp_path).load(0)


def _as_cyclegan_writes(project: Project, folder: Path) -> Path:
    for frame in open_images(project.prepared / "source"):
        for kind in ("fake_B", "real_A"):
            folder.mkdir(exist_ok=True)
            Image.fromarray(frame.pixels).save(folder / f"{frame.key}_{kind}.png")
    return folder


def test_images_named_by_a_key_and_an_ending_are_refused_until_it_is_named(project: Project, tmp_path: Path) -> None:
    source, folder = open_images(project.prepared / "source"), _as_cyclegan_writes(project, tmp_path / "results")
    with pytest.raises(HflowError, match=r"its keys are 00000_fake_B, .* end in _fake_B, _real_A.* --suffix NAME="):
        check_partners(open_images(folder), source)
    named = open_images(folder, suffix="_fake_B")
    assert sorted(named.keys) == sorted(source.keys)
    check_partners(named, source)
    with pytest.raises(HflowError, match="no image whose name ends in _fake_C: it has 00000_fake_B"):
        open_images(folder, suffix="_fake_C")


def test_several_images_of_one_frame_are_refused(project: Project, tmp_path: Path) -> None:
    for kind in ("fake_B", "real_A"):
        _as_files(project, tmp_path / kind)
    with pytest.raises(HflowError, match="several images of one source frame, such as fake_B/00000, real_A/00000"):
        check_partners(open_images(tmp_path), open_images(project.prepared / "source"))


def test_images_of_no_frame_are_said_to_be(
    project: Project, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.new("RGB", (20, 20)).save(tmp_path / "elsewhere.png")
    check_partners(open_images(tmp_path), open_images(project.prepared / "source"))
    assert "its keys are elsewhere" in "".join(capsys.readouterr())


def test_hidden_images_are_passed_over(project: Project, tmp_path: Path) -> None:
    _as_files(project, tmp_path / "files")
    (tmp_path / "files" / "._00000.png").write_bytes(b"no image")
    assert len(list(open_images(tmp_path / "files"))) == 12
