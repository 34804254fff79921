"""`hflow translate s3://... s3://...`: what a folder of this machine would get, a part at a time."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from hflow.commands.cli import app
from hflow.foundation import stores
from hflow.foundation.errors import AwayError, HflowError
from hflow.foundation.stores import Store
from hflow.model.store import TrainedModel
from hflow.translation import folder as folder_translation
from hflow.translation.folder import translate_folder
from hflow.translation.folder_files import FolderFiles
from hflow.translation.folder_part import FolderWorker
from tests.models import write_model
from tests.pictures import write_folder
from tests.stores import S3, Line, disturbed
from tests.translations import bytes_of

COUNT, A_PART = 8, 2


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images, all but one with labels."""
    root = write_folder(tmp_path_factory.mktemp("given") / "frames", COUNT)
    (root / "labels/town/1.png").unlink()
    return root


@pytest.fixture(autouse=True)
def line(s3: S3, frames: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Line]:
    """A line to the server, which has the frames, and nothing else."""
    monkeypatch.setattr(stores, "FIRST_DELAY", 0.01)
    monkeypatch.setattr(folder_translation, "IMAGES_A_PART", A_PART)
    with disturbed(s3.url) as line:
        s3.use(monkeypatch, line.url)
        for old in s3.files.find("town"):
            s3.files.rm_file(old)
        names = [path.relative_to(frames).as_posix() for path in frames.rglob("*") if path.is_file()]
        Store("s3://town/frames").send(names, frames)
        yield line


@pytest.fixture
def here(frames: Path, model: TrainedModel, tmp_path: Path) -> dict[str, bytes]:
    """What the translation into a folder of this machine gives."""
    translate_folder(frames, tmp_path / "here", model)
    return bytes_of(tmp_path / "here")


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The images that go through the network from here on."""
    found: list[str] = []
    encode = FolderWorker._encode

    def noted(self: FolderWorker, row: dict[str, Any], *rest: Any) -> None:
        found.append(row["source_path"])
        encode(self, row, *rest)

    monkeypatch.setattr(FolderWorker, "_encode", noted)
    return found


def test_a_store_gets_the_bytes_of_a_folder_and_few_files_lie_here(
    s3: S3, here: dict[str, bytes], model: TrainedModel, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    most = 0
    send = FolderFiles.send

    def counted(self: FolderFiles, translated: Any) -> Any:
        nonlocal most
        most = max(most, len(list(self.frames.rglob("*.png"))), len(list(self.out.rglob("*.png"))))
        return send(self, translated)

    monkeypatch.setattr(FolderFiles, "send", counted)
    counts = translate_folder(Store("s3://town/frames"), Store("s3://town/out"), model)
    assert (counts["translated"], counts["rejected"]) == (COUNT, 0)
    assert s3.content("out") == here
    assert most <= 2 * 4 * A_PART, "images and labels of four parts"
    assert f"1 of {COUNT} images have no label labels/NAME.png; the first: images/town/1.png" in capsys.readouterr().err


def test_a_run_whose_connection_was_lost_goes_on_behind_what_it_has_sent(
    s3: S3, line: Line, here: dict[str, bytes], model: TrainedModel, encoded: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    source, out = Store("s3://town/frames"), Store("s3://town/out")
    send = FolderFiles.send
    sent = 0

    def lost(self: FolderFiles, translated: Any) -> Any:
        nonlocal sent
        sent += 1
        if sent == 3:
            line.cut_up, line.cuts = 0, 10_000
        return send(self, translated)

    with monkeypatch.context() as patched:
        patched.setattr(FolderFiles, "send", lost)
        with pytest.raises(AwayError, match=r"s3://town/.*run the same command again, what was finished stays"):
            translate_folder(source, out, model)
    line.cuts = 0
    there = s3.content("out")
    assert "manifest.parquet" not in there
    assert all(here[name] == content for name, content in there.items() if name in here), "what is there is whole"
    encoded.clear()
    s3.files.pipe_file("town/out/images/town/0.png", b"damaged meanwhile")
    translate_folder(source, out, model)
    assert s3.content("out") == here
    assert sorted(encoded) == [f"images/town/{i}.png" for i in (0, 1, 4, 5, 6, 7)], "the damaged one's batch, the rest"
    encoded.clear()
    translate_folder(source, out, model)
    assert (encoded, s3.content("out")) == ([], here), "nothing is done twice"


def test_either_side_may_be_a_folder_of_this_machine(
    s3: S3, frames: Path, here: dict[str, bytes], model: TrainedModel, tmp_path: Path
) -> None:
    translate_folder(Store("s3://town/frames"), tmp_path / "out", model)
    assert bytes_of(tmp_path / "out") == here
    translate_folder(frames, Store("s3://town/out"), model)
    assert s3.content("out") == here


def test_an_image_that_is_at_fault_is_rejected_and_one_that_is_not_there_too(
    s3: S3, model: TrainedModel, tmp_path: Path
) -> None:
    s3.files.pipe_file("town/frames/images/bad.png", b"nothing")
    (tmp_path / "names.txt").write_text("images/bad.png\nimages/none.png\nimages/town/0.png\n")
    names, out = tmp_path / "names.txt", Store("s3://town/out")
    counts = translate_folder(Store("s3://town/frames"), out, model, names=names, max_rejected=1)
    assert (counts["translated"], counts["rejected"]) == (1, 2)
    assert s3.content("out").keys() == {"images/town/0.png", "labels/town/0.png", "manifest.parquet"}


def test_a_folder_that_holds_something_else_is_not_written_to(s3: S3, model: TrainedModel) -> None:
    with pytest.raises(HflowError, match=r"s3://town/frames/out lies in s3://town/frames"):
        translate_folder(Store("s3://town/frames"), Store("s3://town/frames/out"), model)
    with pytest.raises(HflowError, match=r"s3://town/none has no images"):
        translate_folder(Store("s3://town/none"), Store("s3://town/out"), model)
    s3.files.pipe_file("town/mine/notes.txt", b"mine")
    with pytest.raises(HflowError, match=r"s3://town/mine holds something else"):
        translate_folder(Store("s3://town/frames"), Store("s3://town/mine"), model)


def test_the_command_takes_addresses(s3: S3, here: dict[str, bytes], model_folder: Path) -> None:
    arguments = ["translate", "s3://town/frames", "s3://town/out", "--model", str(model_folder), "--device", "cpu"]
    done = CliRunner().invoke(app, arguments)
    assert (done.exit_code, f"{COUNT} images are in s3://town/out" in done.output) == (0, True), done.output
    assert s3.content("out").keys() == here.keys()
