"""What people reject is in no shard, its reason is in the manifest, and nothing is translated anew."""

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from hflow.datasets.shards import read_rows, shard_files
from hflow.datasets.training_sets import read_training_set
from hflow.datasets.verdicts import Verdict, write_verdicts
from hflow.datasets.verification import verify
from hflow.foundation.errors import HflowError
from hflow.foundation.hashes import sha256_file
from hflow.model.store import TrainedModel
from hflow.translation.left_out import FOLDER
from tests.conftest import Project
from tests.translations import bytes_of, manifest_of, translate

Translate = Callable[..., Mapping[str, Any]]


@pytest.fixture
def reviewed(project: Project, model: TrainedModel, tmp_path: Path) -> Translate:
    """Translates once without verdicts, and then with these."""
    sets = tmp_path / "sets"
    shutil.copytree(project.sets, sets)
    translate(project, model, tmp_path, sets=sets, max_rejected=0)

    def again(*verdicts: Verdict) -> Mapping[str, Any]:
        write_verdicts(tmp_path / "verdicts.csv", verdicts)
        return translate(project, model, tmp_path, sets=sets, max_rejected=0, reject=tmp_path / "verdicts.csv")

    return again


def _pieces(work: Path) -> dict[Path, int]:
    """When each finished shard was written."""
    return {path: path.stat().st_mtime_ns for path in work.iterdir() if path.is_file() and path.suffix != ".json"}


def _keys(out: Path) -> set[str]:
    return {row["key"] for path in shard_files(out / "translated/train") for row in read_rows(path)}


def test_what_a_person_rejects_is_left_out_with_its_reason(reviewed: Translate, tmp_path: Path) -> None:
    before, keys = manifest_of(tmp_path), _keys(tmp_path)
    counts = reviewed(Verdict("train", "00003", "", "reject", "the sky is green"), Verdict("", "00004", "", "keep"))
    assert (counts["given"], counts["translated"], counts["rejected"]) == (12, 11, 1)
    row = manifest_of(tmp_path)["00003"]
    assert (row["status"], row["shard"]) == ("rejected", None)
    assert row["reason"] == f"a person rejects it ({tmp_path / 'verdicts.csv'}): the sky is green"
    assert {name: row[name] for name in ("style", "ssim", "image_sha256", "source_sha256")} == {
        name: before["00003"][name] for name in ("style", "ssim", "image_sha256", "source_sha256")
    }
    assert _keys(tmp_path) == keys - {"00003"}
    listed = read_training_set(tmp_path / "sets/translated.json").shards
    assert {path: sha256_file(path) for path in shard_files(tmp_path / "translated/train")} == listed
    assert not verify(tmp_path / "translated").faults


def test_nothing_is_translated_anew_and_a_verdict_can_be_taken_back(
    reviewed: Translate, undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    work = tmp_path / "work"
    pieces = _pieces(work)
    reviewed(Verdict("train", "00003", "", "reject"))
    assert bytes_of(tmp_path / "translated") != undisturbed
    assert _pieces(work) == pieces
    assert len(list((work / FOLDER).glob("*.json"))) == 1
    reviewed(Verdict("train", "00003", "", "keep"))
    assert bytes_of(tmp_path / "translated") == undisturbed


def test_a_shard_of_which_all_is_rejected_is_gone(reviewed: Translate, tmp_path: Path) -> None:
    shards = shard_files(tmp_path / "translated/train")
    gone = [row["key"] for row in read_rows(shards[0], ["key"])]
    reviewed(*(Verdict("train", key, "", "reject") for key in gone))
    assert shard_files(tmp_path / "translated/train") == shards[1:]
    assert not verify(tmp_path / "translated").faults


def test_a_verdict_on_an_image_is_not_on_the_next_model_s(
    reviewed: Translate, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seen = manifest_of(tmp_path)["00003"]["image_sha256"][:16]
    counts = reviewed(Verdict("train", "00003", seen, "reject"), Verdict("train", "00004", "f" * 16, "reject"))
    assert counts["rejected"] == 1
    assert manifest_of(tmp_path)["00003"]["status"] == "rejected"
    said = capsys.readouterr().err
    assert f"left out: 1 of the 2 frames that {tmp_path / 'verdicts.csv'} rejects" in said
    assert "review them again" in said


def test_rejecting_everything_is_refused(reviewed: Translate) -> None:
    with pytest.raises(HflowError, match=r"all 12 frames are rejected\. a person rejects it"):
        reviewed(*(Verdict("train", f"{i:05d}", "", "reject") for i in range(12)))
