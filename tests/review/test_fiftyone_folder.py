"""The dataset for FiftyOne is in its importer's format: groups of slices, masks, vectors, the worst first."""

import base64
import io
import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch import Tensor
from typer.testing import CliRunner

from hflow.commands import view
from hflow.commands.cli import app
from hflow.datasets.images import decode_ids
from hflow.datasets.shards import read_rows, shard_files
from hflow.foundation.errors import HflowError
from hflow.metrics.fid_kid import FeatureSpace
from hflow.review.fiftyone_folder import write_fiftyone_dataset
from tests.conftest import CLASSES
from tests.review.conftest import Translated
from tests.review.test_frames import KEYS


def _mean_colours(images: Tensor) -> Tensor:
    return images.float().mean(dim=(2, 3))


@pytest.fixture(scope="module")
def written(translated: Translated, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("view") / "dataset"
    space = FeatureSpace("mean colours", 3, _mean_colours)
    assert write_fiftyone_dataset(translated.review(4), out, name="town", features=space) == 12
    return out


@pytest.fixture(scope="module")
def samples(written: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((written / "samples.json").read_text())["samples"]
    return found


def test_a_frame_is_a_group_of_slices_whose_files_are_there_the_worst_first(
    written: Path, samples: list[dict[str, Any]]
) -> None:
    groups: dict[str, dict[str, str]] = {}
    for sample in samples:
        groups.setdefault(sample["group"]["_id"]["$oid"], {})[sample["group"]["name"]] = sample["filepath"]
    assert [set(group) for group in groups.values()] == [{"source", "translated", "style"}] * 4
    assert [Path(group["translated"]).stem for group in groups.values()] == KEYS[:4]
    assert all((written / path).is_file() for group in groups.values() for path in group.values())
    assert len({sample["_id"]["$oid"] for sample in samples}) == 12
    kinds = json.loads((written / "metadata.json").read_text())["group_media_types"]
    assert kinds == {"source": "image", "translated": "image", "style": "image"}


def test_masks_are_the_labels_with_nothing_where_no_class_is(
    written: Path, samples: list[dict[str, Any]], translated: Translated
) -> None:
    rows = {row["key"]: row for path in shard_files(translated.folder / "train") for row in read_rows(path)}
    metadata = json.loads((written / "metadata.json").read_text())
    assert metadata["default_mask_targets"] == {str(i + 1): name for i, name in enumerate(CLASSES)}
    for sample in samples:
        if sample["group"]["name"] == "translated":
            mask = decode_ids((written / sample["labels"]["mask_path"]).read_bytes())
            ids = decode_ids(rows[sample["key"]]["label_train_ids"]["bytes"])
            assert np.array_equal(mask, np.where(ids == 255, 0, ids + 1))


def test_the_translated_slice_has_its_figures_and_an_embedding(samples: list[dict[str, Any]]) -> None:
    first = next(sample for sample in samples if sample["group"]["name"] == "translated")
    assert first["consistency"] == 0
    assert 0 < first["ssim"] < 1
    assert len(first["model"]) == 12
    packed = base64.b64decode(first["embedding"]["$binary"]["base64"])
    vector = np.load(io.BytesIO(zlib.decompress(packed)), allow_pickle=False)
    assert vector.shape == (3,)
    assert vector.dtype == np.float32


def test_every_field_of_a_sample_is_declared(written: Path, samples: list[dict[str, Any]]) -> None:
    declared = {field["db_field"] for field in json.loads((written / "metadata.json").read_text())["sample_fields"]}
    assert {name for sample in samples for name in sample} <= declared


def test_it_takes_the_place_of_its_own_and_of_nothing_else(translated: Translated, written: Path) -> None:
    before = (written / "samples.json").read_bytes()
    space = FeatureSpace("mean colours", 3, _mean_colours)
    write_fiftyone_dataset(translated.review(4), written, name="town", features=space)
    assert (written / "samples.json").read_bytes() == before
    with pytest.raises(HflowError, match="holds something else already"):
        write_fiftyone_dataset(translated.review(1), written.parent, name="town", features=None)


def test_without_fiftyone_the_report_is_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(view, "find_spec", lambda _: None)
    monkeypatch.setattr(view.typer, "launch", opened.append)
    done = CliRunner().invoke(app, ["view"])
    assert isinstance(done.exception, HflowError)
    assert "reports/index.html is missing" in str(done.exception)
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports/index.html").touch()
    done = CliRunner().invoke(app, ["view"])
    assert done.exit_code == 0
    assert opened == [(tmp_path / "reports/index.html").as_uri()]
