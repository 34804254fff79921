"""Folders in an object store: whole or not to be seen, whatever becomes of the connection."""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from hflow.foundation import stores
from hflow.foundation.errors import AwayError, HflowError
from hflow.foundation.stores import Store, path_or_store
from tests.stores import S3, Line, disturbed

PART = 5 << 20
"""The smallest that S3 takes."""

LARGE = 2 * PART + 1000
"""Bytes that are sent in three parts."""


@pytest.fixture(autouse=True)
def line(s3: S3, monkeypatch: pytest.MonkeyPatch) -> Iterator[Line]:
    monkeypatch.setattr(stores, "FIRST_DELAY", 0.01)
    monkeypatch.setattr(stores, "PART", PART)
    with disturbed(s3.url) as line:
        s3.use(monkeypatch, line.url)
        yield line


@pytest.fixture
def store(request: pytest.FixtureRequest) -> Store:
    return Store(f"s3://town/{request.node.name}")


@pytest.fixture
def given(tmp_path: Path) -> Path:
    """A small file and a large one."""
    (tmp_path / "given/a").mkdir(parents=True)
    (tmp_path / "given/a/small #1.txt").write_text("small")
    (tmp_path / "given/large").write_bytes(np.random.default_rng(0).bytes(LARGE))
    return tmp_path / "given"


def test_files_come_back_as_they_went(store: Store, given: Path, tmp_path: Path) -> None:
    assert store.sizes() == {}
    store.send(["large", "a/small #1.txt"], given)
    assert list(store.sizes().items()) == [("a/small #1.txt", 5), ("large", LARGE)]
    store.bring(store.sizes(), tmp_path / "back")
    for name in store.sizes():
        assert (tmp_path / "back" / name).read_bytes() == (given / name).read_bytes()
    assert (store.read("a/small #1.txt"), store.read("none")) == (b"small", None)
    store.write("a/small #1.txt", b"other")
    store.remove(["large", "was never there"])
    assert store.sizes() == {"a/small #1.txt": 5}
    assert store.read("a/small #1.txt") == b"other"


def test_a_folder_whose_name_begins_alike_is_another(store: Store) -> None:
    Store(f"{store}-other").write("a", b"a")
    assert store.sizes() == {}


@pytest.mark.parametrize("way", ["cut_up", "cut_down"])
def test_a_connection_that_is_lost_once_is_tried_again(
    store: Store, line: Line, given: Path, tmp_path: Path, way: str
) -> None:
    store.send(["large"], given)
    setattr(line, way, 1 << 20)
    line.cuts = 1
    if way == "cut_up":
        store.send(["large"], given)
    store.bring(["large"], tmp_path / "back")
    assert (tmp_path / "back/large").read_bytes() == (given / "large").read_bytes()
    assert line.cuts == 0


def test_a_half_upload_leaves_nothing_and_the_next_run_sends_it_whole(
    store: Store, s3: S3, line: Line, given: Path
) -> None:
    line.cut_up, line.cuts = 1 << 20, 1000
    with pytest.raises(AwayError, match=r"large: .*run the same command again, what was finished stays"):
        store.send(["large"], given)
    line.cuts = 0
    assert store.sizes() == {}
    assert not s3.half_uploads(), "the parts that had come are given up"
    store.send(["large"], given)
    assert store.sizes() == {"large": LARGE}


def test_an_upload_whose_process_was_killed_is_not_to_be_seen(store: Store, s3: S3, given: Path) -> None:
    key = f"{store.address.removeprefix('s3://town/')}/large"
    started = s3.files.call_s3("create_multipart_upload", Bucket="town", Key=key)
    told = {"Bucket": "town", "Key": key, "UploadId": started["UploadId"]}
    s3.files.call_s3("upload_part", **told, PartNumber=1, Body=b"half")
    assert store.sizes() == {}
    assert store.read("large") is None
    store.send(["large"], given)
    assert store.sizes() == {"large": LARGE}
    s3.files.call_s3("abort_multipart_upload", **told)


def test_what_was_there_before_stays_whole_while_it_is_replaced(store: Store, line: Line, given: Path) -> None:
    store.write("large", b"before")
    line.cut_up, line.cuts = 1 << 20, 1000
    with pytest.raises(AwayError):
        store.send(["large"], given)
    line.cuts = 0
    assert store.read("large") == b"before"


def test_a_slow_connection_is_waited_for_and_a_silent_one_is_lost(
    store: Store, line: Line, given: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line.delay = 0.3
    store.send(["large"], given)
    assert store.sizes() == {"large": LARGE}
    monkeypatch.setattr(stores, "SILENCE", 0.2)
    monkeypatch.setattr(stores, "ATTEMPTS", 1)
    with pytest.raises(AwayError, match=r"imeout"):
        Store(store.address).read("large")


def test_a_server_that_is_away_is_named_with_what_to_set(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setattr(stores, "ATTEMPTS", 1)
    with pytest.raises(AwayError, match=r"^s3://town/.*127\.0\.0\.1:9.*AWS_ENDPOINT_URL"):
        store.sizes()


def test_a_bucket_that_is_missing_is_named() -> None:
    with pytest.raises(HflowError, match=r"^s3://nowhere/a: there is no 'nowhere': make it"):
        Store("s3://nowhere/a").sizes()
    with pytest.raises(HflowError, match="there is no 'nowhere'"):
        Store("s3://nowhere/a").write("b", b"")


def test_missing_credentials_are_told_of_at_once(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(HflowError, match=r"credentials.*: set AWS_ACCESS_KEY_ID"):
        store.sizes()


def test_a_file_is_not_written_beside_the_folder_that_was_asked_for(store: Store, tmp_path: Path) -> None:
    for name in ("../a", "/a", "b/../../a"):
        with pytest.raises(HflowError, match="is no name"):
            store.bring([name], tmp_path / "back")


@pytest.mark.parametrize(("scheme", "module"), [("s3", "s3fs"), ("gs", "gcsfs"), ("az", "adlfs")])
def test_a_missing_extra_is_named(scheme: str, module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.delitem(importlib.import_module("fsspec.registry")._registry, scheme, raising=False)
    with pytest.raises(HflowError, match=rf"{module} is missing: uv pip install 'hflow\[{scheme}\]'"):
        Store(f"{scheme}://town/frames").sizes()


def test_an_address_is_a_store_and_anything_else_a_path(tmp_path: Path) -> None:
    for address in ("s3://town", "gs://town/a/b/", "az://town/a"):
        found = path_or_store(address)
        assert isinstance(found, Store)
        assert (str(found), found.bucket) == (address.rstrip("/"), "town")
    for path in ("data/translated", str(tmp_path), "models:/town@champion"):
        assert path_or_store(path) == Path(path)
    for wrong in ("s3://", "http://town/a", "s3://key:PASSWORD@town/a", "hf://user/town"):
        with pytest.raises(HflowError, match="is no folder in a store"):
            path_or_store(wrong)
