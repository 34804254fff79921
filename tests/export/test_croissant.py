"""Croissant metadata of every export: valid by its own library, which reads the dataset by it."""

import json
from pathlib import Path
from typing import Any

import mlcroissant
import numpy as np
import pyarrow as pa
import pytest
from etils import epath

from hflow.datasets.manifest import MANIFEST, read_manifest
from hflow.datasets.manifest_rows import ManifestRows
from hflow.export.description import Description, TaskScore
from hflow.export.layouts import LAYOUTS
from hflow.export.writing import export
from hflow.model.store import TrainedModel
from tests.conftest import Project
from tests.translations import translate

PLAIN = [name for name, layout in LAYOUTS.items() if not layout.objects]


@pytest.fixture(scope="module")
def dataset(project: Project, model: TrainedModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("croissant")
    translate(project, model, folder, folder / "sets")
    return folder / "translated"


def _texts(records: Any, field: str) -> list[str]:
    return sorted(record[field].decode() for record in records)


@pytest.fixture(autouse=True)
def _nothing_unpacked_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """mlcroissant keeps what it unpacks by the archive's name, whichever dataset it is of."""
    monkeypatch.setattr(
        "mlcroissant._src.operation_graph.operations.extract.EXTRACT_PATH", epath.Path(tmp_path / "kept")
    )


@pytest.mark.parametrize("layout", PLAIN)
def test_mlcroissant_finds_nothing_amiss_and_reads_every_frame(dataset: Path, tmp_path: Path, layout: str) -> None:
    out = tmp_path / "out"
    origins = {"frames, /data/gta5": "research only"}
    export(dataset, out, layout=layout, origins=origins)
    read = mlcroissant.Dataset(str(out / "croissant.json"))
    assert not read.metadata.ctx.issues.errors
    assert str(read.metadata.ctx.conforms_to.value) == "http://mlcommons.org/croissant/1.1"
    rows = read_manifest(dataset / MANIFEST).rows
    assert _texts(read.records("frames"), "frames/key") == sorted(row["key"] for row in rows)
    classes = {record["classes/train_id"]: record["classes/name"] for record in read.records("classes")}
    names = json.loads((out / "id2label.json").read_text())
    assert classes == {int(train_id): name for train_id, name in names.items()}
    for name in ("images", "labels", "label_train_ids"):
        pictures = [record[f"{name}-records/picture"] for record in read.records(f"{name}-records")]
        assert len(pictures) == 12, name
        assert {picture.size for picture in pictures} == {(32, 24)}
        assert {picture.mode for picture in pictures} == {"RGB"} or name != "images"


def test_it_says_where_a_dataset_comes_from_and_what_it_is_not_for(dataset: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    iou = {"road": 0.8, "sky": 0.7, "car": 0.1}
    scores = {"translated": TaskScore(0.533, iou), "source": TaskScore(0.4, iou)}
    export(dataset, out, layout="imagefolder", origins={"frames, /data/gta5": "research only"}, scores=scores)
    said = json.loads((out / "croissant.json").read_text())
    card = (out / "README.md").read_text()
    assert said["license"] == [
        {"@type": "sc:CreativeWork", "name": "frames, /data/gta5", "description": "research only"}
    ]
    assert said["prov:wasDerivedFrom"][0]["prov:label"] == "frames, /data/gta5"
    row = read_manifest(dataset / MANIFEST).rows[0]
    used = json.dumps(said["prov:wasGeneratedBy"])
    assert all(row[name] in used for name in ("model", "model_sha256", "params_fingerprint", "code_fingerprint"))
    limits = said["rai:dataLimitations"]
    assert "No judge has looked at the frames: how well their labels still fit is not measured." in limits
    reached = (
        "A segmenter that learned from it reaches an mIoU of 0.533 on the target's photographs; "
        "0.400 from the frames untranslated. Worst: car 0.100, sky 0.700, road 0.800."
    )
    assert reached in limits
    assert all(f"- {line}" in card for line in [*limits, *said["rai:dataUseCases"]])


def test_limits_name_the_least_alike_frames_and_the_rarest_classes() -> None:
    facts = {"status": "translated", "split": "train", "reason": ""}
    rows = [facts | {"key": str(n), "ssim": 0.5 + n / 100, "consistency": 0.9 - n / 100} for n in range(41)]
    rows.append(facts | {"key": "lost", "ssim": 0.0, "consistency": 0.0, "status": "rejected", "reason": "black"})
    told = ManifestRows(pa.Table.from_pylist(rows))
    found = Description(told, pixels={"0": 99_999, "2": 1}, classes=["road", "sky", "car"]).limits
    assert found[0] == (
        "Mean SSIM to the source 0.700; one frame in twenty has less than 0.520: their structure changed most. "
        "The least is 0.500, of 0."
    )
    assert "The least is 0.500, of 40." in found[1]
    assert found[-2:] == ["No pixel of sky.", "Less than 0.1% of the labelled pixels each: car."]
    assert np.isclose(Description(told, pixels={"0": 3, "2": 1}, classes=["road", "sky", "car"]).shares["car"], 0.25)
