"""translate: every frame once, labels bit for bit, the same bytes however often it is interrupted."""

import shutil
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from hflow.datasets.images import decode_rgb
from hflow.datasets.manifest import MANIFEST_SCHEMA
from hflow.datasets.shards import read_rows, shard_files
from hflow.datasets.tensors import to_tensor
from hflow.datasets.training_sets import read_training_set
from hflow.datasets.verification import verify
from hflow.foundation.errors import HflowError
from hflow.foundation.hashes import sha256_file
from hflow.foundation.params import TranslateParams
from hflow.metrics.segmentation import confusion_matrix, segment_scores
from hflow.metrics.ssim_psnr import ssim
from hflow.model.store import load_model
from hflow.segmentation.judge import load_judge, save_judge
from hflow.segmentation.judge_training import train_judge
from hflow.translation.dataset import translate_dataset
from hflow.translation.shard_worker import code_marks
from hflow.translation.style_choice import choose_style
from tests.conftest import Project


def _translate(project: Project, model: Path, out: Path, **options: Any) -> dict[str, Any]:
    sets = out / "sets"
    shutil.copytree(project.sets, sets, dirs_exist_ok=True)
    return translate_dataset(
        load_model(model),
        TranslateParams.model_validate({"device": "cpu", **options}),
        prepared=project.prepared,
        out=out / "translated",
        sets=sets,
        work=out / "work",
    )


def _bytes(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*.parquet")}


def test_every_frame_is_translated_once_and_its_label_is_as_it_was(
    project: Project, model_folder: Path, tmp_path: Path
) -> None:
    counts = _translate(project, model_folder, tmp_path)
    assert (counts["given"], counts["translated"], counts["rejected"]) == (12, 12, 0)
    before = {r["key"]: r for p in shard_files(project.prepared / "source/train") for r in read_rows(p)}
    after = {r["key"]: r for p in shard_files(tmp_path / "translated/train") for r in read_rows(p)}
    assert before.keys() == after.keys()
    for key, row in after.items():
        assert row["label"] == before[key]["label"]
        assert row["label_train_ids"] == before[key]["label_train_ids"]
        pixels = decode_rgb(row["image"]["bytes"])
        assert pixels.shape == (row["height"], row["width"], 3)
        assert not np.array_equal(pixels, decode_rgb(before[key]["image"]["bytes"]))


def test_a_shard_becomes_a_shard_of_the_same_name(project: Project, model_folder: Path, tmp_path: Path) -> None:
    _translate(project, model_folder, tmp_path)
    given = [p.name for p in shard_files(project.prepared / "source/train")]
    assert [p.name for p in shard_files(tmp_path / "translated/train")] == given


def test_the_manifest_tells_of_every_frame(project: Project, model_folder: Path, tmp_path: Path) -> None:
    _translate(project, model_folder, tmp_path)
    manifest, model = _manifest(tmp_path), load_model(model_folder)
    assert [row["key"] for row in manifest] == [f"{i:05d}" for i in range(12)]
    before = {r["key"]: r for p in shard_files(project.prepared / "source/train") for r in read_rows(p)}
    shards = {r["key"]: (p, r) for p in shard_files(tmp_path / "translated/train") for r in read_rows(p)}
    for line in manifest:
        shard, row = shards[line["key"]]
        frame, original = (decode_rgb(r["image"]["bytes"]) for r in (row, before[line["key"]]))
        expected = {
            "split": "train",
            "shard": shard.name,
            "status": "translated",
            "reason": "",
            "source_path": f"images/{line['key']}.png",
            "source_sha256": sha256_file(project.folder / "gta/images" / f"{line['key']}.png"),
            "style": model.styles.keys[choose_style(0, line["key"], len(model.styles.keys))],
            "image_sha256": sha256(row["image"]["bytes"]).hexdigest(),
            "label_sha256": sha256(row["label"]["bytes"]).hexdigest(),
            "label_train_ids_sha256": sha256(row["label_train_ids"]["bytes"]).hexdigest(),
            "width": frame.shape[1],
            "height": frame.shape[0],
            "consistency": None,
            "batch": None,
            "model": "models/hflow",
            "model_sha256": model.sha256,
            "code_fingerprint": code_marks(),
            "seed": 0,
        }
        assert {name: line[name] for name in expected} == expected
        assert line["ssim"] == pytest.approx(ssim(to_tensor(frame)[None], to_tensor(original)[None]).item(), abs=1e-4)
        assert line["precision"] in ("fp32", "bf16")
        assert line["backend"] == "strips"
    assert len({line["params_fingerprint"] for line in manifest}) == 1
    assert len({line["fingerprint"] for line in manifest}) == len({line["shard"] for line in manifest})
    assert set(manifest[0]) == set(MANIFEST_SCHEMA.names)
    _translate(project, model_folder, tmp_path, seed=1)
    assert _manifest(tmp_path)[0]["params_fingerprint"] != manifest[0]["params_fingerprint"]


def test_the_training_set_is_described(project: Project, model_folder: Path, tmp_path: Path) -> None:
    _translate(project, model_folder, tmp_path)
    translated = read_training_set(tmp_path / "sets" / "translated.json")
    for path, digest in translated.shards.items():
        assert sha256(path.read_bytes()).hexdigest() == digest


def test_an_interrupted_translation_ends_in_the_same_bytes_and_redoes_no_finished_shard(
    project: Project, model_folder: Path, tmp_path: Path
) -> None:
    _translate(project, model_folder, tmp_path / "a")
    expected = _bytes(tmp_path / "a" / "translated")
    work = tmp_path / "a" / "work"
    pieces = sorted(p.with_suffix("") for p in work.glob("*.json"))
    assert len(pieces) > 1
    pieces[0].with_name(pieces[0].name + ".json").unlink()  # killed before this shard was finished
    kept = {p: p.stat().st_mtime_ns for p in pieces[1:]}
    shutil.rmtree(tmp_path / "a" / "translated")
    _translate(project, model_folder, tmp_path / "a")
    assert _bytes(tmp_path / "a" / "translated") == expected
    assert {p: p.stat().st_mtime_ns for p in pieces[1:]} == kept


@pytest.mark.parametrize("change", [{"seed": 1}, {"batch_size": 2}])
def test_changed_parameters_never_take_over_old_shards(
    project: Project, model_folder: Path, tmp_path: Path, change: dict[str, int]
) -> None:
    _translate(project, model_folder, tmp_path)
    count = len(list((tmp_path / "work").glob("*.json")))
    _translate(project, model_folder, tmp_path, **change)
    assert len(list((tmp_path / "work").glob("*.json"))) == 2 * count


def test_the_number_of_workers_changes_no_byte(project: Project, model_folder: Path, tmp_path: Path) -> None:
    for workers in (1, 3):
        _translate(project, model_folder, tmp_path / str(workers), workers=workers)
    assert _bytes(tmp_path / "1" / "translated") == _bytes(tmp_path / "3" / "translated")


def test_missing_prepared_frames_are_an_error_that_says_what_to_run(model_folder: Path, tmp_path: Path) -> None:
    empty = Project(tmp_path)
    empty.sets.mkdir()
    with pytest.raises(HflowError, match="hflow prepare"):
        _translate(empty, model_folder, tmp_path / "out")


@pytest.fixture(scope="module")
def judge_folder(project: Project, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A judge that has seen both domains."""
    shards = [p for domain in ("source", "target") for p in shard_files(project.prepared / domain / "train")]
    folder = tmp_path_factory.mktemp("judge") / "judge"
    save_judge(train_judge(shards, ["road", "sky", "car"], steps=20, batch_size=4), folder)
    return folder


def _manifest(out: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(out / "translated" / "manifest.parquet").to_pylist()
    return rows


def test_without_a_judge_there_is_no_consistency(project: Project, model_folder: Path, tmp_path: Path) -> None:
    _translate(project, model_folder, tmp_path)
    assert {row["consistency"] for row in _manifest(tmp_path)} == {None}


def test_frames_of_which_the_judge_sees_something_else_are_rejected_with_that_reason(
    project: Project, model_folder: Path, judge_folder: Path, tmp_path: Path
) -> None:
    _translate(project, model_folder, tmp_path / "all", judge=judge_folder)
    consistency = {row["key"]: row["consistency"] for row in _manifest(tmp_path / "all")}
    assert all(0 <= value <= 1 for value in consistency.values())
    values = sorted(set(consistency.values()))
    limit = (values[len(values) // 2 - 1] + values[len(values) // 2]) / 2
    expected = {key for key, value in consistency.items() if value < limit}
    assert expected, "the judge must see a difference somewhere"
    counts = _translate(project, model_folder, tmp_path / "some", judge=judge_folder, min_consistency=limit)
    rows = _manifest(tmp_path / "some")
    rejected = {row["key"] for row in rows if row["status"] == "rejected"}
    assert rejected == expected
    assert (counts["given"], counts["translated"]) == (12, 12 - len(expected))
    assert all("translate.min_consistency" in row["reason"] for row in rows if row["key"] in rejected)
    kept = {r["key"] for p in shard_files(tmp_path / "some/translated/train") for r in read_rows(p)}
    assert kept == consistency.keys() - expected


def test_consistency_is_the_miou_of_what_the_judge_sees_before_and_after(
    project: Project, model_folder: Path, judge_folder: Path, tmp_path: Path
) -> None:
    _translate(project, model_folder, tmp_path, judge=judge_folder)
    judge = load_judge(judge_folder)
    before = {r["key"]: r for p in shard_files(project.prepared / "source/train") for r in read_rows(p)}
    for path in shard_files(tmp_path / "translated/train"):
        for row in read_rows(path):
            images = [to_tensor(decode_rgb(r["image"]["bytes"]))[None] for r in (before[row["key"]], row)]
            seen = [judge.predict(image)[0] for image in images]
            scores = segment_scores(confusion_matrix(seen[1], seen[0], 3), judge.classes)
            assert row["consistency"] == pytest.approx(scores["mIoU"], abs=0.02)


def test_a_threshold_without_a_judge_is_refused() -> None:
    with pytest.raises(ValueError, match="needs a judge"):
        TranslateParams(min_consistency=0.5)


def test_frames_of_a_sequence_have_one_style_across_shards(
    project: Project, model_folder: Path, tmp_path: Path
) -> None:
    tens = {"style_by": "sequence", "sequence": r"^(\d{4})"}
    _translate(project, model_folder, tmp_path, **tens)
    drawn: dict[str, set[str]] = {}
    shards: dict[str, set[str]] = {}
    for row in _manifest(tmp_path):
        drawn.setdefault(row["key"][:4], set()).add(row["style"])
        shards.setdefault(row["key"][:4], set()).add(row["shard"])
    assert len(shards["0000"]) > 1
    assert all(len(styles) == 1 for styles in drawn.values())
    with pytest.raises(HflowError, match="matches no part of the key '000"):
        _translate(project, model_folder, tmp_path / "other", **tens | {"sequence": "(a)"})


def test_shards_that_are_links_to_a_cache_keep_their_names(given: Project, model_folder: Path, tmp_path: Path) -> None:
    names = []
    for path in shard_files(given.prepared / "source" / "train"):
        cached = tmp_path / "cache" / sha256_file(path)
        cached.parent.mkdir(exist_ok=True)
        path.rename(cached)
        path.symlink_to(cached)
        names.append(path.name)
    _translate(given, model_folder, tmp_path)
    assert [path.name for path in shard_files(tmp_path / "translated" / "train")] == names
    assert not verify(tmp_path / "translated").faults
