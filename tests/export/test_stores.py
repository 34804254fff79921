"""Datasets in an object store: pushed, exported, verified and read there, whole or known not to be."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.dataset
import pytest
from typer.testing import CliRunner

from hflow.commands.cli import app
from hflow.datasets.prepared_verification import verify_prepared
from hflow.datasets.verification import verify
from hflow.export.frames import FrameReader
from hflow.export.store_pushing import push_to_store
from hflow.export.writing import export
from hflow.foundation import stores
from hflow.foundation.errors import AwayError, HflowError
from hflow.foundation.stores import Store
from hflow.model.store import load_model
from tests.conftest import Project
from tests.models import write_model
from tests.stores import S3, Line, disturbed
from tests.translations import bytes_of, translate

WHOLE = {"manifest.parquet", "SHA256SUMS"}


@pytest.fixture(scope="module")
def dataset(project: Project, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("translated")
    translate(project, load_model(write_model(folder / "model")), folder, folder / "sets")
    return folder / "translated"


@pytest.fixture(autouse=True)
def line(s3: S3, monkeypatch: pytest.MonkeyPatch) -> Iterator[Line]:
    """A line to the server, which has nothing."""
    monkeypatch.setattr(stores, "FIRST_DELAY", 0.01)
    with disturbed(s3.url) as line:
        s3.use(monkeypatch, line.url)
        for old in s3.files.find("town"):
            s3.files.rm_file(old)
        yield line


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files that are sent whole, in their order."""
    found: list[str] = []
    send = Store.send

    def noted(self: Store, names: Any, folder: Path) -> None:
        names = list(names)
        send(self, names, folder)
        found.extend(names)

    monkeypatch.setattr(Store, "send", noted)
    return found


def test_a_dataset_is_pushed_as_it_is_and_read_there(s3: S3, dataset: Path, sent: list[str]) -> None:
    out = Store("s3://town/set")
    given = bytes_of(dataset)
    assert push_to_store(dataset, out) == {"files": len(given), "sent": len(given), "out": "s3://town/set"}
    there = s3.content("set")
    assert there.keys() - given.keys() == {"pushed.json"}
    assert {name: there[name] for name in given} == given
    assert sent[-2:] == ["manifest.parquet", "SHA256SUMS"], "by which it is known to be whole"
    found, here = verify(out), verify(dataset)
    assert (found.faults, found.given, found.translated) == ([], here.given, here.translated)
    rows = pyarrow.dataset.dataset("town/set/train", filesystem=s3.files, format="parquet").count_rows()
    assert rows == pyarrow.dataset.dataset(dataset / "train", format="parquet").count_rows()
    sent.clear()
    assert push_to_store(dataset, out)["sent"] == 0
    assert not sent


def test_a_push_whose_connection_was_lost_is_not_whole_and_goes_on(
    s3: S3, dataset: Path, line: Line, sent: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hflow.export.store_pushing.AT_ONCE", 1)
    monkeypatch.setattr("hflow.export.store_pushing.SECONDS_BETWEEN_NOTES", 0.0)
    out = Store("s3://town/set")
    send = Store.send

    def lost(self: Store, names: Any, folder: Path) -> None:
        if len(sent) == 2:
            line.cut_up, line.cuts = 0, 10_000
        send(self, names, folder)

    with monkeypatch.context() as patched:
        patched.setattr(Store, "send", lost)
        with pytest.raises(AwayError, match="run the same command again"):
            push_to_store(dataset, out)
    line.cuts = 0
    assert not WHOLE & s3.content("set").keys()
    with pytest.raises(HflowError, match=r"s3://town/set/manifest\.parquet is missing"):
        verify(out)
    before = sent.copy()
    assert push_to_store(dataset, out)["sent"] == len(bytes_of(dataset)) - 2
    assert len(sent) == len(set(sent)) == len(bytes_of(dataset)), "no file twice"
    assert before == sent[:2]
    assert not verify(out).faults


def test_another_version_takes_the_place_of_the_one_that_is_there(
    s3: S3, dataset: Path, project: Project, tmp_path: Path
) -> None:
    out = Store("s3://town/set")
    exported = tmp_path / "exported"
    export(dataset, exported, layout="webdataset")
    push_to_store(exported, out)
    push_to_store(dataset, out)
    assert s3.content("set").keys() == {*bytes_of(dataset), "pushed.json"}
    assert not verify(out).faults
    push_to_store(project.prepared, Store("s3://town/prepared"))
    assert not verify_prepared(Store("s3://town/prepared")).faults


def test_a_damaged_object_is_found(s3: S3, dataset: Path, project: Project) -> None:
    push_to_store(dataset, Store("s3://town/set"))
    push_to_store(project.prepared, Store("s3://town/prepared"))
    for folder, part in (("set", "train"), ("prepared", "source/train")):
        shard = next(name for name in s3.content(folder) if name.startswith(f"{part}/shard-"))
        content = bytearray(s3.files.cat_file(f"town/{folder}/{shard}"))
        content[len(content) // 2] ^= 1
        s3.files.pipe_file(f"town/{folder}/{shard}", bytes(content))
        done = CliRunner().invoke(app, ["verify", f"s3://town/{folder}"])
        assert done.exit_code == 1
        assert f"{shard}: has other bytes than" in done.output


def test_an_export_from_store_to_store_is_that_of_a_folder(s3: S3, dataset: Path, tmp_path: Path) -> None:
    push_to_store(dataset, Store("s3://town/set"))
    for layout in ("cityscapes", "webdataset"):
        export(dataset, tmp_path / layout, layout=layout)
        told = ["export", "s3://town/set", f"s3://town/{layout}", "--layout", layout]
        done = CliRunner().invoke(app, [*told, "--params", str(tmp_path / "none")])
        assert done.exit_code == 0, done.output
        assert s3.content(layout) == bytes_of(tmp_path / layout)
        assert not verify(Store(f"s3://town/{layout}")).faults
    assert export(dataset, Store("s3://town/webdataset"), layout="webdataset")["frames"] > 0, "there already"
    with pytest.raises(HflowError, match=r"s3://town/set holds something else"):
        export(dataset, Store("s3://town/set"), layout="webdataset")
    with pytest.raises(HflowError, match=r"s3://town/none/manifest\.parquet is missing"):
        export(Store("s3://town/none"), tmp_path / "out", layout="webdataset")


def test_an_export_whose_connection_was_lost_goes_on_behind_the_shards_that_it_has_sent(
    s3: S3, dataset: Path, line: Line, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    reading = FrameReader.read

    def noted(self: FrameReader, path: Path, *rest: Any) -> Any:
        read.append(path.name)
        if len(read) == 3:
            line.cut_up, line.cuts = 0, 10_000
        return reading(self, path, *rest)

    monkeypatch.setattr(FrameReader, "read", noted)
    with pytest.raises(AwayError, match="run the same command again"):
        export(dataset, Store("s3://town/out"), layout="cityscapes")
    line.cuts = 0
    assert not WHOLE & s3.content("out").keys()
    with pytest.raises(HflowError, match="holds something else"):
        export(dataset, Store("s3://town/out"), layout="gta")
    first = read.copy()
    read.clear()
    export(dataset, Store("s3://town/out"), layout="cityscapes")
    assert read[0] == first[2]
    export(dataset, tmp_path / "out", layout="cityscapes")
    assert s3.content("out") == bytes_of(tmp_path / "out")


def test_what_is_not_whole_or_has_no_place_is_not_pushed(s3: S3, dataset: Path, tmp_path: Path) -> None:
    with pytest.raises(HflowError, match="has no SHA256SUMS"):
        push_to_store(tmp_path, Store("s3://town/set"))
    s3.files.pipe_file("town/mine/notes.txt", b"mine")
    with pytest.raises(HflowError, match=r"s3://town/mine holds something else"):
        push_to_store(dataset, Store("s3://town/mine"))
