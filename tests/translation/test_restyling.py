"""Frames in further styles: a dataset each, all of them one training set."""

from pathlib import Path

import pytest

from hflow.datasets.manifest import MANIFEST, read_manifest
from hflow.datasets.training_sets import read_training_set, sum_of_sets
from hflow.datasets.verification import verify
from hflow.foundation.hashes import sha256_file
from hflow.foundation.params import TranslateParams
from hflow.model.store import TrainedModel
from hflow.translation.restyling import restyle_dataset
from tests.conftest import Project
from tests.translations import translate


def _restyle(given: Project, model: TrainedModel, tmp_path: Path, styles: int) -> int:
    params = TranslateParams.model_validate({"device": "cpu", "threads": 1, "batch_size": 2, "styles": styles})
    folders = {"prepared": given.prepared, "out": tmp_path / "restyled", "sets": given.sets, "work": tmp_path / "work"}
    return len(restyle_dataset(model, params, **folders))


def test_each_further_style_is_a_whole_dataset_of_all_frames(
    given: Project, model: TrainedModel, tmp_path: Path
) -> None:
    translate(given, model, tmp_path)
    assert _restyle(given, model, tmp_path, 3) == 2
    chosen = []
    for folder in (tmp_path / "translated", tmp_path / "restyled/2", tmp_path / "restyled/3"):
        assert not verify(folder).faults
        chosen.append({row["key"]: row["style"] for row in read_manifest(folder / MANIFEST).translated})
    assert len(chosen[0]) == 12
    assert chosen[0].keys() == chosen[1].keys() == chosen[2].keys()
    assert chosen[0] != chosen[1] != chosen[2] != chosen[0]


def test_a_sum_with_the_first_style_has_every_frame_once_a_style(
    given: Project, model: TrainedModel, tmp_path: Path
) -> None:
    translate(given, model, tmp_path)
    _restyle(given, model, tmp_path, 2)
    both = sum_of_sets(given.sets, "translated+restyled")
    assert len(both.files) == 2 * len(read_training_set(given.sets / "translated.json").files)
    assert all(sha256_file(path) == digest for path, digest in both.shards.items())


@pytest.mark.parametrize(("styles", "left"), [(1, []), (2, ["2"])])
def test_styles_that_are_asked_for_no_longer_go(
    given: Project, model: TrainedModel, tmp_path: Path, styles: int, left: list[str]
) -> None:
    _restyle(given, model, tmp_path, 3)
    _restyle(given, model, tmp_path, styles)
    assert sorted(path.name for path in (tmp_path / "restyled").iterdir() if path.is_dir()) == left
    assert {path.parts[-3] for path in read_training_set(given.sets / "restyled.json").files} == set(left)
