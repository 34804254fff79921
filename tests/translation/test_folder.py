"""`hflow translate FRAMES OUT`: any folder of images, each to its own name."""

import os
import signal
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from hflow.datasets.verification import verify
from hflow.foundation.errors import HflowError
from hflow.foundation.params import StyleParams
from hflow.model.store import TrainedModel
from hflow.translation.folder import translate_folder
from hflow.translation.translator import Translator
from tests.pictures import random_picture, street_ids
from tests.raw_data import picture, save

NAMES = {"a.png": (48, 24), "b/c.jpg": (33, 21), "b/d.webp": (40, 40)}


@pytest.fixture
def frames(tmp_path: Path) -> Path:
    for i, (name, size) in enumerate(NAMES.items()):
        path = tmp_path / "frames" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random_picture(i, size)).save(path)
    return tmp_path / "frames"


def test_images_come_out_under_their_names_and_at_their_sizes(
    frames: Path, model: TrainedModel, tmp_path: Path
) -> None:
    counts = translate_folder(frames, tmp_path / "out", model, name="models:/town@champion")
    assert counts["translated"] == 3
    found = {p.relative_to(tmp_path / "out").as_posix(): p for p in (tmp_path / "out").rglob("*") if p.is_file()}
    assert found.keys() == NAMES.keys() | {"manifest.parquet"}
    for name, size in NAMES.items():
        with Image.open(found[name]) as image:
            assert image.size == size
    rows = {row["source_path"]: row for row in pq.read_table(found["manifest.parquet"]).to_pylist()}
    for name in NAMES:
        assert rows[name]["model"] == "models:/town@champion"
        assert rows[name]["image_sha256"] == sha256(found[name].read_bytes()).hexdigest()
        assert rows[name]["source_sha256"] == sha256((frames / name).read_bytes()).hexdigest()


def test_a_rerun_leaves_finished_images_alone_and_makes_missing_ones(
    frames: Path, model: TrainedModel, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    translate_folder(frames, out, model)
    manifest = (out / "manifest.parquet").read_bytes()
    times = {name: (out / name).stat().st_mtime_ns for name in NAMES}
    (out / "a.png").unlink()
    translate_folder(frames, out, model)
    assert (out / "b/c.jpg").stat().st_mtime_ns == times["b/c.jpg"]
    assert (out / "a.png").is_file()
    assert (out / "manifest.parquet").read_bytes() == manifest


def test_a_faulty_image_is_named_and_the_others_are_translated(
    frames: Path, model: TrainedModel, tmp_path: Path
) -> None:
    (frames / "bad.png").write_bytes(b"nothing")
    with pytest.raises(HflowError, match=r"1 of 4 .*bad\.png.*--max-rejected"):
        translate_folder(frames, tmp_path / "out", model)
    assert (tmp_path / "out" / "a.png").is_file()
    counts = translate_folder(frames, tmp_path / "out", model, max_rejected=0.5)
    assert (counts["translated"], counts["rejected"]) == (3, 1)


def test_an_image_of_more_pixels_than_are_allowed_is_refused(frames: Path, model: TrainedModel, tmp_path: Path) -> None:
    Image.new("RGB", (100, 50)).save(frames / "large.png")
    translate_folder(frames, tmp_path / "out", model, max_pixels=4999, max_rejected=0.5)
    rows = pq.read_table(tmp_path / "out/manifest.parquet").to_pylist()
    reasons = [row["reason"] for row in rows if row["status"] == "rejected"]
    assert reasons == ["has too many pixels: it is 100x50, the most is 4,999"]


def test_an_image_that_the_memory_does_not_hold_is_refused_beforehand(
    frames: Path,
    model: TrainedModel,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    needed = Translator(model).bytes_needed(24, 48)
    assert needed is not None
    monkeypatch.setattr("hflow.translation.folder_part.free_memory", lambda: needed - 1)
    translate_folder(frames, tmp_path / "out", model, max_rejected=1)
    assert "rejected: a.png: is 48x24, for which translating takes 0.0 GB of memory" in capsys.readouterr().err
    assert (tmp_path / "out/b/c.jpg").is_file()


def test_a_folder_that_holds_something_else_is_not_written_to(
    frames: Path, model: TrainedModel, tmp_path: Path
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    with pytest.raises(HflowError, match="holds something else"):
        translate_folder(frames, tmp_path / "out", model)
    with pytest.raises(HflowError, match="lies in"):
        translate_folder(frames, frames / "out", model)


def test_a_dataset_of_shards_or_an_export_is_not_written_to(frames: Path, model: TrainedModel, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    for name in ("manifest.parquet", "SHA256SUMS"):
        (tmp_path / "out" / name).write_text("of another command")
    with pytest.raises(HflowError, match="holds something else"):
        translate_folder(frames, tmp_path / "out", model)
    assert (tmp_path / "out" / "manifest.parquet").read_text() == "of another command"


def test_a_folder_without_images_is_an_error(model: TrainedModel, tmp_path: Path) -> None:
    with pytest.raises(HflowError, match="none is not there"):
        translate_folder(tmp_path / "none", tmp_path / "out", model)
    (tmp_path / "none").mkdir()
    with pytest.raises(HflowError, match="none has no images"):
        translate_folder(tmp_path / "none", tmp_path / "out", model)


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    """Images with labels, one of them of colours, and one image without."""
    root = tmp_path / "labelled"
    for i, name in enumerate(("a", "town/b", "c")):
        for part, pixels in (("images", random_picture(i)), ("labels", street_ids(i))):
            place = root / part / f"{name}.png"
            place.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).convert("RGB" if part == "images" or name == "a" else "L").save(place)
    (root / "labels" / "c.png").unlink()
    return root


def test_labels_are_carried_along_byte_for_byte(
    labelled: Path, model: TrainedModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert translate_folder(labelled, out, model)["translated"] == 3
    assert "1 of 3 images have no label labels/NAME.png; the first: images/c.png" in capsys.readouterr().err
    for name in ("a", "town/b"):
        assert (out / "labels" / f"{name}.png").read_bytes() == (labelled / "labels" / f"{name}.png").read_bytes()
    assert sorted(p.name for p in (out / "labels").rglob("*.png")) == ["a.png", "b.png"]
    assert verify(out).faults == []


def test_a_label_of_another_size_is_rejected_by_name(labelled: Path, model: TrainedModel, tmp_path: Path) -> None:
    Image.fromarray(street_ids(0, (20, 20))).save(labelled / "labels" / "a.png")
    with pytest.raises(HflowError, match=r"images/a\.png: label is 20x20, the image 48x24"):
        translate_folder(labelled, tmp_path / "out", model)


def test_a_changed_label_is_carried_again(labelled: Path, model: TrainedModel, tmp_path: Path) -> None:
    translate_folder(labelled, tmp_path / "out", model)
    Image.fromarray(street_ids(5)).save(labelled / "labels" / "a.png")
    translate_folder(labelled, tmp_path / "out", model)
    assert (tmp_path / "out/labels/a.png").read_bytes() == (labelled / "labels/a.png").read_bytes()


def test_verify_finds_a_swapped_label_and_a_flipped_bit(labelled: Path, model: TrainedModel, tmp_path: Path) -> None:
    out = tmp_path / "out"
    translate_folder(labelled, out, model)
    image, label, other = out / "images/c.png", out / "labels/a.png", out / "labels/town/b.png"
    content = bytearray(image.read_bytes())
    content[len(content) // 2] ^= 1
    image.write_bytes(content)
    first, second = label.read_bytes(), other.read_bytes()
    label.write_bytes(second)
    other.write_bytes(first)
    (out / "images/town/b.png").unlink()
    said = "\n".join(map(str, verify(out).faults))
    assert "images/c.png: image has other bytes than the manifest says" in said
    assert "images/a.png: label has other bytes than the manifest says" in said
    assert "images/town/b.png: is missing" in said


def test_kill_9_and_the_same_command_again_leave_no_frame_out(
    frames: Path, model: TrainedModel, tmp_path: Path
) -> None:
    translate_folder(frames, tmp_path / "whole", model)
    child = os.fork()
    if child == 0:
        renames = 0

        def count(event: str, _: tuple[Any, ...]) -> None:
            nonlocal renames
            renames += event == "os.rename"
            if event == "os.rename" and renames == 2:
                os.kill(os.getpid(), signal.SIGKILL)

        try:
            sys.addaudithook(count)
            translate_folder(frames, tmp_path / "out", model)
        finally:
            os._exit(0)
    assert os.WIFSIGNALED(os.waitpid(child, 0)[1])
    translate_folder(frames, tmp_path / "out", model)
    for name in (*NAMES, "manifest.parquet"):
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert not list((tmp_path / "out").rglob(".*"))


def test_images_of_a_folder_keep_one_style_and_each_pattern_at_fault_is_named(
    frames: Path, model: TrainedModel, tmp_path: Path
) -> None:
    def styles(**chosen: Any) -> dict[str, str]:
        translate_folder(frames, tmp_path / "out", model, style=StyleParams.model_validate(chosen))
        rows = pq.read_table(tmp_path / "out/manifest.parquet").to_pylist()
        return {row["source_path"]: row["style"] for row in rows}

    apart = next(seed for seed in range(99) if len(set(styles(seed=seed).values())) == 3)
    together = styles(seed=apart, style_by="sequence")
    assert together["b/c.jpg"] == together["b/d.webp"]
    with pytest.raises(HflowError, match=r"translate.sequence '\(b/\)' matches no part of the key 'a'"):
        styles(style_by="sequence", sequence="(b/)")


def test_names_that_can_be_no_key_are_rejected_and_hidden_files_passed_over(
    model: TrainedModel, tmp_path: Path
) -> None:
    for name in ("1.png", "\udcff.png", f"{'中' * 80}.png", ".hidden.png", "@eaDir/1.png"):
        save(picture(), tmp_path / "frames" / name)
    counts = translate_folder(tmp_path / "frames", tmp_path / "out", model, max_rejected=1.0)
    assert (counts["given"], counts["translated"], counts["rejected"]) == (3, 1, 2)
    again = translate_folder(tmp_path / "frames", tmp_path / "out", model, max_rejected=1.0)
    assert again == counts


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many images went through the network together, each time."""
    counts: list[int] = []
    plain = Translator.translate_checked

    def counted(self: Translator, frames: torch.Tensor, choice: list[int]) -> torch.Tensor:
        counts.append(len(frames))
        return plain(self, frames, choice)

    monkeypatch.setattr(Translator, "translate_checked", counted)
    return counts


def test_images_of_one_size_go_through_the_network_together(
    model: TrainedModel, tmp_path: Path, seen: list[int]
) -> None:
    sizes = {"a.png": (48, 24), "b.png": (32, 32), "c.png": (48, 24), "d.png": (32, 32), "e.png": (48, 24)}
    for i, (name, size) in enumerate(sizes.items()):
        save(random_picture(i, size), tmp_path / "frames" / name)
    translate_folder(tmp_path / "frames", tmp_path / "out", model)
    assert sorted(seen) == [2, 3]
    assert [row["key"] for row in pq.read_table(tmp_path / "out/manifest.parquet").to_pylist()] == list("abcde")


def test_a_group_that_was_interrupted_is_translated_whole_again(
    model: TrainedModel, tmp_path: Path, seen: list[int]
) -> None:
    for i in range(4):
        save(random_picture(i), tmp_path / "frames" / f"{i}.png")
    translate_folder(tmp_path / "frames", tmp_path / "out", model, batch_size=2)
    (tmp_path / "out/3.png").unlink()
    seen.clear()
    translate_folder(tmp_path / "frames", tmp_path / "out", model, batch_size=2)
    assert seen == [2]


def test_several_processes_give_the_same_bytes(
    frames: Path, model: TrainedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hflow.translation.folder.IMAGES_A_PART", 2)
    for name, devices in (("one", 1), ("two", 2)):
        translate_folder(frames, tmp_path / name, model, devices=devices)
    for name in (*NAMES, "manifest.parquet"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_a_list_names_the_images_to_take(frames: Path, model: TrainedModel, tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("b/d.webp\n./a.png\n\nb/d.webp\n")
    assert translate_folder(frames, tmp_path / "out", model, names=tmp_path / "list.txt")["translated"] == 2
    rows = pq.read_table(tmp_path / "out/manifest.parquet").to_pylist()
    assert [row["source_path"] for row in rows] == ["b/d.webp", "a.png"]


@pytest.mark.parametrize(
    ("text", "said"), [("", "names no image"), ("a.png\nnotes.txt", "'notes.txt'"), ("../a.png", "1 of 1 images")]
)
def test_a_list_that_names_no_images_of_the_folder_is_an_error(
    frames: Path, model: TrainedModel, tmp_path: Path, text: str, said: str
) -> None:
    (tmp_path / "list.txt").write_text(text)
    with pytest.raises(HflowError, match=said):
        translate_folder(frames, tmp_path / "out", model, names=tmp_path / "list.txt")
    assert not (tmp_path / "a.png").exists()


def test_another_format_and_a_suffix_name_images_and_labels_alike(
    labelled: Path, model: TrainedModel, tmp_path: Path
) -> None:
    save(random_picture(0), labelled / "images" / "a.bmp")
    out = tmp_path / "out"
    translate_folder(labelled, out, model, output_format="jpg", suffix="_real")
    found = {path.relative_to(out).as_posix() for path in out.rglob("*.*")} - {"manifest.parquet"}
    assert found == {
        "images/a.png_real.jpg",
        "images/a.bmp_real.jpg",
        "images/town/b_real.jpg",
        "images/c_real.jpg",
        "labels/town/b_real.png",
    }
    with Image.open(out / "images/c_real.jpg") as image:
        assert image.format == "JPEG"
    assert verify(out).faults == []
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*_real.*")}
    translate_folder(labelled, out, model, output_format="jpg", suffix="_real")
    assert {path: path.stat().st_mtime_ns for path in before} == before
