"""`hflow verify`: a whole dataset passes, and whatever is changed in it is named."""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hflow.commands import cli
from hflow.datasets.manifest import MANIFEST_SCHEMA
from hflow.datasets.shards import TRANSLATED_SCHEMA, read_rows, shard_files, write_shard
from hflow.datasets.verification import verify
from hflow.foundation.errors import HflowError
from hflow.foundation.hashes import sha256_file
from hflow.foundation.params import TranslateParams
from hflow.model.store import load_model
from hflow.translation.dataset import translate_dataset
from tests.conftest import Project


@pytest.fixture(scope="module")
def whole(project: Project, model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    shutil.copytree(project.sets, folder / "sets")
    translate_dataset(
        load_model(model_folder),
        TranslateParams(device="cpu"),
        prepared=project.prepared,
        out=folder / "translated",
        sets=folder / "sets",
        work=folder / "work",
    )
    return folder / "translated"


@pytest.fixture
def dataset(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "dataset"))


def _faults(folder: Path) -> str:
    return "\n".join(map(str, verify(folder).faults))


def _forge(dataset: Path, change: Callable[[list[dict[str, Any]]], object]) -> str:
    """Change the rows of a shard, and SHA256SUMS with it, as somebody would who knows of it; gives the shard's name."""
    shard = max(shard_files(dataset / "train"), key=lambda p: pq.read_metadata(p).num_rows)
    old = sha256_file(shard)
    rows = list(read_rows(shard))
    change(rows)
    write_shard(shard, rows, TRANSLATED_SCHEMA)
    sums = dataset / "SHA256SUMS"
    sums.write_text(sums.read_text().replace(old, sha256_file(shard)))
    return f"train/{shard.name}"


def test_a_whole_dataset_passes(whole: Path) -> None:
    found = verify(whole)
    assert (found.given, found.translated, found.rejected, found.faults) == (12, 12, 0, [])


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_flipped_bit_anywhere_is_found_and_its_file_named(whole: Path, data: st.DataObject) -> None:
    path = data.draw(st.sampled_from([p for p in sorted(whole.rglob("*")) if p.is_file()]))
    content = path.read_bytes()
    place, bit = data.draw(st.integers(0, len(content) - 1)), 1 << data.draw(st.integers(0, 7))
    path.unlink()  # it may be a link to what others use
    path.write_bytes(content[:place] + bytes([content[place] ^ bit]) + content[place + 1 :])
    try:
        faults = verify(whole).faults
    finally:
        path.write_bytes(content)
    assert faults
    assert path.name == "SHA256SUMS" or any(path.name in fault.place for fault in faults)


def test_a_truncated_shard_is_found(dataset: Path) -> None:
    shard = shard_files(dataset / "train")[0]
    content = shard.read_bytes()
    shard.unlink()
    shard.write_bytes(content[: len(content) // 2])
    assert f"train/{shard.name}: {shard} is not a whole Parquet file" in _faults(dataset)


def test_a_missing_shard_is_found(dataset: Path) -> None:
    shard = shard_files(dataset / "train")[0]
    shard.unlink()
    assert f"train/{shard.name}: is missing" in _faults(dataset)


def test_a_shard_too_many_is_found(dataset: Path) -> None:
    shutil.copy(shard_files(dataset / "train")[0], dataset / "train" / "shard-0.parquet")
    assert "train/shard-0.parquet: is not named in SHA256SUMS" in _faults(dataset)


def _swap(column: str) -> Callable[[list[dict[str, Any]]], None]:
    def swap(rows: list[dict[str, Any]]) -> None:
        a, b = next((a, b) for a in rows for b in rows if a[column]["bytes"] != b[column]["bytes"])
        for name in (column, f"{column}_sha256"):
            a[name], b[name] = b[name], a[name]

    return swap


@pytest.mark.parametrize("column", ["image", "label", "label_train_ids"])
def test_swapped_labels_and_images_are_found_even_with_their_hashes_swapped(dataset: Path, column: str) -> None:
    name = _forge(dataset, _swap(column))
    assert _faults(dataset).count(f"{column} has other bytes than the manifest says") == 2
    assert name in _faults(dataset)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda rows: rows.pop(), "is missing, though the manifest names it"),
        (lambda rows: rows.append(rows[0]), "is there twice"),
        (lambda rows: rows[0].update(key="new"), "new: is there twice, or the manifest does not know it"),
        (lambda rows: rows[0].update(width=5), "width is 5, the manifest says 32"),
        (lambda rows: rows[0].update(style="another"), "style is 'another'"),
        (lambda rows: rows[0].update(label=None), "label is missing"),
    ],
)
def test_rows_that_are_not_as_the_manifest_says_are_found(
    dataset: Path, change: Callable[[list[dict[str, Any]]], object], said: str
) -> None:
    _forge(dataset, change)
    assert said in _faults(dataset)


def test_labels_whose_values_don_t_agree_are_found(dataset: Path) -> None:
    table = pq.read_table(dataset / "manifest.parquet")
    pq.write_table(
        table.replace_schema_metadata({"hflow": '{"classes": ["road", "sky"]}'}), dataset / "manifest.parquet"
    )
    assert "label_train_ids has the value 2, and there are 2 classes" in _faults(dataset)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda rows: rows.append(rows[0]), "has 2 rows for '00000'"),
        (lambda rows: rows[0].update(status="rejected", reason=""), "has no reason for the rejection of '00000'"),
        (lambda rows: rows[0].update(seed=7), "several models or seeds"),
        (lambda rows: rows[0].update(shard="../../x"), "not a plain relative path"),
    ],
)
def test_a_manifest_that_does_not_agree_with_itself_is_found(
    dataset: Path, change: Callable[[list[dict[str, Any]]], object], said: str
) -> None:
    rows = pq.read_table(dataset / "manifest.parquet").to_pylist()
    change(rows)
    pq.write_table(pa.Table.from_pylist(rows, schema=MANIFEST_SCHEMA), dataset / "manifest.parquet")
    assert said in _faults(dataset)


def test_the_command_names_each_fault_and_its_exit_status_says_so(
    dataset: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _command(monkeypatch, "verify", str(dataset)) == 0
    assert f"{dataset} is whole: 12 given, 12 translated, 0 rejected" in capsys.readouterr().out
    shard = shard_files(dataset / "train")[0]
    shard.unlink()
    assert _command(monkeypatch, "verify", str(dataset)) == 1
    said = capsys.readouterr()
    assert f"train/{shard.name}: is missing" in said.out
    assert said.err.splitlines()[-1].startswith(f"hflow: {dataset} is not whole: ")


def _command(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """The exit status of `hflow ARGUMENTS`."""
    monkeypatch.setattr(sys, "argv", ["hflow", *arguments])
    monkeypatch.setattr(cli, "end_on_sigterm", lambda: None)
    with pytest.raises(SystemExit) as end:
        cli.main()
    return int(end.value.code or 0)


def test_what_is_no_dataset_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(HflowError, match="not a dataset"):
        verify(tmp_path)


@pytest.mark.parametrize("other", [b"\x0b", b"\r", b"\r\n"])
def test_another_end_of_a_line_in_the_sums_is_found(whole: Path, tmp_path: Path, other: bytes) -> None:
    shutil.copytree(whole, tmp_path / "copy")
    sums = tmp_path / "copy" / "SHA256SUMS"
    sums.write_bytes(sums.read_bytes().replace(b"\n", other, 1))
    assert verify(tmp_path / "copy").faults


def test_shards_that_are_links_into_a_cache_are_whole_and_shards_under_its_names_are_not(
    dataset: Path, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()
    for shard in shard_files(dataset / "train"):
        shard.rename(cache / shard.stem)
        shard.symlink_to(cache / shard.stem)
    assert not _faults(dataset)
    for shard in shard_files(dataset / "train"):
        shard.rename(shard.with_name(shard.stem.removeprefix("shard-")))
    assert "shard-" in _faults(dataset)
