"""What the disk has no room for is refused before a stage begins, with numbers."""

import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from hflow.datasets.layouts.opening import open_domains
from hflow.foundation.errors import HflowError
from hflow.foundation.free_disk import free_disk, has_reflinks
from hflow.foundation.params import Params
from hflow.pipeline import disk_needs, outputs, stages
from hflow.pipeline.disk_needs import dvc_copies, prepared_bytes, run_bytes, where_room_is
from hflow.pipeline.preflight import run_faults
from tests.pictures import write_cityscapes, write_gta

SIZE = (240, 120)


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("raw")
    write_gta(folder / "gta", 6, SIZE)
    write_cityscapes(folder / "cityscapes", [("train", 4), ("val", 2)], SIZE)
    return folder


@pytest.fixture
def params(raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Params:
    """Of a project in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    values = yaml.safe_load((Path(__file__).parents[2] / "params.yaml").read_text())
    values["data"]["source"]["root"], values["data"]["target"]["root"] = str(raw / "gta"), str(raw / "cityscapes")
    values["data"]["classes"] = ["road", "sky", "car"]
    values["prepare"]["size"] = SIZE
    values["segment"]["train_on"] = ["source", "translated", "fda", "source+gpa"]
    values["translate"]["styles"] = 2
    return Params.model_validate(values)


def _leave(monkeypatch: pytest.MonkeyPatch, free: int) -> None:
    monkeypatch.setattr(disk_needs, "free_disk", lambda _: free)


def test_the_estimate_is_what_prepare_writes_and_nothing_is_left_afterwards(params: Params) -> None:
    opened = open_domains(params.data)
    expected = prepared_bytes(params, opened)
    stages.prepare(params)
    written = sum(path.stat().st_size for path in outputs.PREPARED.rglob("shard-*"))
    assert expected == pytest.approx(written, rel=0.25)
    assert prepared_bytes(params, opened) < 0.1 * expected


def test_a_first_run_needs_room_for_each_stage_by_the_frames_that_it_makes(params: Params) -> None:
    opened = open_domains(params.data)
    first = run_bytes(params, opened)
    source = prepared_bytes(params, {"source": opened["source"]})
    assert (first["translate"], first["baselines"]) == (2 * source, 2 * source)
    stages.prepare(params)
    then = run_bytes(params, opened)
    assert "prepare" not in then
    assert then["translate"] == pytest.approx(first["translate"], rel=0.25)


def test_what_does_not_fit_is_refused_with_numbers_and_nothing_is_written(
    params: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    _leave(monkeypatch, 1000)
    said = r"has 0.0 MB free, and about \d\.\d MB are needed \(prepare \d\.\d MB\).*hflow clean"
    with pytest.raises(HflowError, match=said):
        stages.prepare(params)
    assert not outputs.PREPARED.exists()
    assert any("translate" in fault for fault in run_faults(params, open_domains(params.data)))


def test_baselines_that_do_not_fit_are_refused(params: Params, monkeypatch: pytest.MonkeyPatch) -> None:
    stages.prepare(params)
    _leave(monkeypatch, 1000)
    with pytest.raises(HflowError, match=r"\(baselines "):
        stages.baselines(params)


def test_only_shards_that_are_not_finished_need_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("shard").write_bytes(bytes(600))
    recipe = SimpleNamespace(work=tmp_path)
    tasks = [SimpleNamespace(recipe=recipe, path=Path("shard"), fingerprint=name) for name in ("a", "b")]
    run = where_room_is(lambda *_: {})
    _leave(monkeypatch, 1000)
    with pytest.raises(HflowError, match="translate"):
        run(None, tasks, None)  # type: ignore[arg-type]
    Path("a").write_text("finished")
    assert run(None, tasks, None) == {}  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("config", "copies"),
    [
        ("[cache]\n    type = copy\n", True),
        ('[cache]\n    type = "reflink,hardlink,symlink"\n', False),
        ("[cache]\n    type = copy\n    dir = /dev/shm/cache\n['remote \"store\"']\n    url = s3://%bucket\n", False),
    ],
)
def test_dvcs_cache_counts_where_it_copies_onto_the_same_disk(
    config: str, copies: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    assert not dvc_copies()
    (tmp_path / ".dvc").mkdir()
    assert dvc_copies() == (not has_reflinks(tmp_path))
    (tmp_path / ".dvc/config.local").write_text(config)
    assert dvc_copies() == copies


def test_reflinks_are_found_as_cp_finds_them(tmp_path: Path) -> None:
    (tmp_path / "one").write_text("content")
    done = subprocess.run(["cp", "--reflink=always", tmp_path / "one", tmp_path / "other"], capture_output=True)
    assert has_reflinks(tmp_path) == (done.returncode == 0)


def test_the_room_of_a_folder_that_is_not_there_yet_is_that_of_its_disk(tmp_path: Path) -> None:
    assert free_disk(tmp_path / "not" / "there") > 0
