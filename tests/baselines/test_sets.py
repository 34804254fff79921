"""The stage baselines: the frames, labels and styles of translation, in other colours; the same bytes however made."""

import shutil
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hflow.baselines.recolouring import reinhard
from hflow.baselines.sets import make_baselines
from hflow.datasets.images import decode_rgb, encode_png
from hflow.datasets.shards import TRANSLATED_SCHEMA, read_rows, shard_files
from hflow.datasets.training_sets import read_training_set
from hflow.foundation.errors import HflowError
from hflow.foundation.params import BASELINES, BaselinesParams, StyleParams, TranslateParams
from hflow.model.store import load_model
from hflow.translation.dataset import translate_dataset
from tests.conftest import Project


def _make(
    project: Project,
    out: Path,
    names: tuple[str, ...] = BASELINES,
    style: StyleParams | None = None,
    chosen: str = "random",
    **options: Any,
) -> dict[str, Any]:
    return make_baselines(
        names,
        BaselinesParams.model_validate(options),
        style=style or StyleParams(),
        chosen=chosen,
        prepared=project.prepared,
        out=out / "baselines",
        sets=out / "sets",
        work=out / "work",
    )


def _bytes(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*.parquet")}


def _rows(folder: Path) -> dict[str, dict[str, Any]]:
    return {row["key"]: row for path in shard_files(folder) for row in read_rows(path)}


def test_every_frame_is_recoloured_and_its_label_is_as_it_was(project: Project, tmp_path: Path) -> None:
    counts = _make(project, tmp_path)
    before = _rows(project.prepared / "source/train")
    targets = _rows(project.prepared / "target/train")
    for name in BASELINES:
        after = _rows(tmp_path / "baselines" / name / "train")
        assert counts[name]["frames"] == len(after) == 12
        assert after.keys() == before.keys()
        for key, row in after.items():
            assert list(row) == TRANSLATED_SCHEMA.names
            assert (row["label"], row["label_train_ids"]) == (before[key]["label"], before[key]["label_train_ids"])
            assert row["image_sha256"] == sha256(row["image"]["bytes"]).hexdigest()
    frame, style = before["00003"], targets[after["00003"]["style"]]
    expected = reinhard(decode_rgb(frame["image"]["bytes"]), decode_rgb(style["image"]["bytes"]))
    got = _rows(tmp_path / "baselines/reinhard/train")["00003"]
    assert np.array_equal(decode_rgb(got["image"]["bytes"]), expected)


@pytest.mark.parametrize(
    "chosen", [{}, {"nearest": 2}, {"style_by": "sequence", "sequence": r"(\d\d)\d$", "style_group": r"([0-3])_\d+$"}]
)
def test_a_frame_gets_the_style_that_translation_chooses(
    project: Project, model_folder: Path, tmp_path: Path, chosen: dict[str, Any]
) -> None:
    _make(project, tmp_path, ("fda",), StyleParams.model_validate(chosen))
    shutil.copytree(project.sets, tmp_path / "sets", dirs_exist_ok=True)
    translate_dataset(
        load_model(model_folder),
        TranslateParams.model_validate({"device": "cpu", **chosen}),
        prepared=project.prepared,
        out=tmp_path / "translated",
        sets=tmp_path / "sets",
        work=tmp_path / "work",
    )
    translated, recoloured = _rows(tmp_path / "translated/train"), _rows(tmp_path / "baselines/fda/train")
    assert {key: row["style"] for key, row in recoloured.items()} == {k: r["style"] for k, r in translated.items()}
    assert len({row["style"] for row in recoloured.values()}) > 1


def test_one_style_for_all_is_a_key_a_file_or_what_all_target_images_are_together(
    project: Project, tmp_path: Path
) -> None:
    targets = {key: decode_rgb(row["image"]["bytes"]) for key, row in _rows(project.prepared / "target/train").items()}
    key = min(targets)
    file = tmp_path / "style.png"
    file.write_bytes(encode_png(targets[key]))
    made = {}
    for number, chosen in enumerate((key, str(file), "average")):
        _make(project, tmp_path / str(number), ("gamma",), chosen=chosen)
        made[number] = _rows(tmp_path / str(number) / "baselines/gamma/train")
        assert {row["style"] for row in made[number].values()} == {chosen}
    assert all(made[0][name]["image_sha256"] == row["image_sha256"] for name, row in made[1].items())
    together = np.mean([image.mean() for image in targets.values()])
    for row in made[2].values():
        assert decode_rgb(row["image"]["bytes"]).mean() == pytest.approx(together, abs=4)


def test_a_style_that_is_nowhere_is_an_error(project: Project, tmp_path: Path) -> None:
    with pytest.raises(HflowError, match="neither an image file nor the key of a target image"):
        _make(project, tmp_path, ("gamma",), chosen="no such style")


def test_where_no_baseline_is_named_the_style_is_not_asked_for(project: Project, tmp_path: Path) -> None:
    assert _make(project, tmp_path, (), chosen="the key of another model's style image") == {}


def test_sets_list_the_shards_and_those_not_named_are_empty(project: Project, tmp_path: Path) -> None:
    _make(project, tmp_path, ("histogram",))
    found = read_training_set(tmp_path / "sets/histogram.json").shards
    assert sorted(found) == shard_files(tmp_path / "baselines/histogram/train")
    assert all(sha256(path.read_bytes()).hexdigest() == digest for path, digest in found.items())
    for name in ("reinhard", "fda"):
        assert not read_training_set(tmp_path / f"sets/{name}.json").shards
        assert not (tmp_path / "baselines" / name).exists()


def test_an_interrupted_run_ends_in_the_same_bytes_and_redoes_no_finished_shard(
    project: Project, tmp_path: Path
) -> None:
    _make(project, tmp_path, workers=1)
    expected = _bytes(tmp_path / "baselines")
    pieces = sorted(p for p in (tmp_path / "work").iterdir() if p.suffix != ".json")
    pieces[0].with_name(pieces[0].name + ".json").unlink()  # killed before this shard was finished
    kept = {p: p.stat().st_mtime_ns for p in pieces[1:]}
    shutil.rmtree(tmp_path / "baselines")
    _make(project, tmp_path, workers=3)
    assert _bytes(tmp_path / "baselines") == expected
    assert {p: p.stat().st_mtime_ns for p in pieces[1:]} == kept


def test_a_baseline_more_leaves_the_others_as_they_were(project: Project, tmp_path: Path) -> None:
    _make(project, tmp_path, ("fda",))
    before = (tmp_path / "sets/fda.json").read_bytes()
    count = len(list((tmp_path / "work").iterdir()))
    _make(project, tmp_path, ("fda", "reinhard"))
    assert (tmp_path / "sets/fda.json").read_bytes() == before
    assert len(list((tmp_path / "work").iterdir())) == 2 * count


def test_beta_changes_fda_alone(project: Project, tmp_path: Path) -> None:
    _make(project, tmp_path)
    before = _bytes(tmp_path / "baselines")
    _make(project, tmp_path, fda_beta=0.2)
    after = _bytes(tmp_path / "baselines")
    assert {name.split("/")[0] for name in after if after[name] != before[name]} == {"fda"}


def test_missing_prepared_frames_say_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(HflowError, match="hflow prepare"):
        _make(Project(tmp_path), tmp_path / "out")
    assert _make(Project(tmp_path), tmp_path / "out", ()) == {}
