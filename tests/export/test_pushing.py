"""`hflow push` onto a hub: whole, resumed, the card last, by the real huggingface_hub against a server of its API."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import mlcroissant
import pytest
from datasets import load_dataset

from hflow.datasets.verification import verify
from hflow.export.pushing import push
from hflow.export.writing import export
from hflow.foundation.errors import HflowError
from hflow.model.store import TrainedModel
from tests.conftest import Project
from tests.hub import Hub, hub_server
from tests.translations import bytes_of, translate


@pytest.fixture(scope="module")
def dataset(project: Project, model: TrainedModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pushed")
    translate(project, model, folder, folder / "sets")
    return folder / "translated"


@pytest.fixture
def hub() -> Iterator[Hub]:
    with hub_server(Hub()) as served:
        yield served


def _start(hub: Hub, folder: Path, home: Path) -> "subprocess.Popen[str]":
    """The command as it is typed, without Xet, for which the stand-in has nothing."""
    told = {"HF_ENDPOINT": hub.url, "HF_TOKEN": "hf_test", "HF_HOME": str(home), "HF_HUB_DISABLE_XET": "1"}
    command = [sys.executable, "-m", "hflow", "push", "hf://team/town", str(folder)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, env=os.environ | told, cwd=home, stdout=pipe, stderr=pipe, text=True)


def _type(hub: Hub, folder: Path, home: Path) -> tuple[int, str]:
    """Gives the command's exit status and what it says of faults."""
    process = _start(hub, folder, home)
    _, said = process.communicate()
    return process.returncode, said


def _written(hub: Hub, folder: Path) -> Path:
    for name, content in hub.files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def test_shards_are_on_the_hub_byte_for_byte_with_card_and_croissant(dataset: Path, hub: Hub, tmp_path: Path) -> None:
    hub.repository = "team/town"
    hub.files = {".gitattributes": b"", "train/shard-of-an-earlier-version.parquet": b"stale"}
    push(dataset, "hf://team/town", endpoint=hub.url)
    given = bytes_of(dataset)
    assert hub.files.keys() == {*given, ".gitattributes", "README.md", "croissant.json"}
    assert all(hub.files[name] == content for name, content in given.items() if name != "SHA256SUMS")
    assert {"README.md", "croissant.json", "SHA256SUMS"} <= set(hub.commits[-1]), "the card comes last"
    copy = _written(hub, tmp_path / "copy")
    assert not verify(copy).faults
    said = json.loads((copy / "croissant.json").read_text())
    assert said["url"] == f"{hub.url}/datasets/team/town"
    assert (said["creator"]["name"], said["datePublished"]) == ("team", "2026-11-30")
    read = mlcroissant.Dataset(str(copy / "croissant.json"))
    assert {record["samples/image"].size for record in read.records("samples")} == {(32, 24)}
    loaded = load_dataset(str(copy), cache_dir=str(tmp_path / "cache"))["train"]
    assert (len(loaded), loaded[0]["image"].size) == (12, (32, 24))


def test_what_was_sent_before_a_failure_is_not_sent_again(dataset: Path, hub: Hub) -> None:
    hub.accept, hub.refuse = 1, 1
    with pytest.raises(HflowError, match=r"hf://team/town: 403 .*log in"):
        push(dataset, "hf://team/town", endpoint=hub.url)
    assert "README.md" not in hub.files
    push(dataset, "hf://team/town", endpoint=hub.url)
    assert [sorted(names) for names in hub.commits[1:]] == [["README.md", "SHA256SUMS", "croissant.json"]]
    commits = len(hub.commits)
    push(dataset, "hf://team/town", endpoint=hub.url)
    assert len(hub.commits) == commits, "nothing has changed"


def test_large_files_are_uploaded_once_by_git_lfs(dataset: Path, hub: Hub, tmp_path: Path) -> None:
    hub.lfs, hub.refuse = (".parquet",), 1
    status, said = _type(hub, dataset, tmp_path)
    assert (status, "Traceback" in said) == (1, False)
    assert "hf://team/town: 403" in said
    shards = [path.name for path in dataset.rglob("*.parquet")]
    assert len(hub.uploaded) == len(shards)
    status, said = _type(hub, dataset, tmp_path)
    assert status == 0, said
    assert len(hub.uploaded) == len(shards), "no file twice"
    assert not verify(_written(hub, tmp_path / "copy")).faults


def test_a_push_that_is_killed_within_a_file_goes_on_with_that_file(dataset: Path, hub: Hub, tmp_path: Path) -> None:
    hub.lfs, hub.hang = (".parquet",), True
    process = _start(hub, dataset, tmp_path)
    assert hub.hanging.wait(120), process.poll()
    process.kill()
    process.communicate()
    whole = list(hub.uploaded)
    assert len(whole) > 0
    assert hub.files == {}, "no reader sees a dataset of which a part is missing"
    hub.hang = False
    status, said = _type(hub, dataset, tmp_path)
    assert status == 0, said
    assert len(hub.uploaded) == len(set(hub.uploaded)), "no file twice"
    assert hub.uploaded[: len(whole)] == whole
    assert not verify(_written(hub, tmp_path / "copy")).faults


def test_an_export_goes_with_its_own_card(dataset: Path, hub: Hub, tmp_path: Path) -> None:
    export(dataset, tmp_path / "out", layout="webdataset")
    push(tmp_path / "out", "hf://datasets/team/town", endpoint=hub.url)
    assert hub.files["README.md"] == (tmp_path / "out/README.md").read_bytes()
    assert not verify(_written(hub, tmp_path / "copy")).faults


def test_what_is_not_whole_or_has_no_address_is_refused_before_anything_is_sent(dataset: Path, tmp_path: Path) -> None:
    with pytest.raises(HflowError, match="no address of a dataset"):
        push(dataset, "https://example.org/town")
    with pytest.raises(HflowError, match="has no SHA256SUMS"):
        push(tmp_path, "hf://team/town")
    for name, content in bytes_of(dataset).items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    (tmp_path / "id2label.json").write_text("{}")
    with pytest.raises(HflowError, match=r"is not whole \(id2label.json: has other bytes"):
        push(tmp_path, "hf://team/town")
