"""What a frame carries is in the translated dataset and in every export of it, byte for byte."""

import json
import shutil
import tarfile
from pathlib import Path

import numpy as np
import pytest
from datasets import load_dataset
from PIL import Image

from hflow.datasets.layouts.opening import open_raw
from hflow.datasets.manifest import read_manifest
from hflow.datasets.preparation import prepare
from hflow.datasets.shards import TRANSLATED_SCHEMA, read_rows, shard_files, write_shard
from hflow.datasets.verification import verify
from hflow.export.writing import export
from hflow.foundation.errors import HflowError
from hflow.foundation.params import DataParams, DomainParams, PrepareParams, TranslateParams
from hflow.model.store import load_model
from hflow.translation.dataset import translate_dataset
from tests.models import write_model
from tests.pictures import write_carried, write_cityscapes, write_gta


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three frames with depth, camera and truth, translated; as raw frames they are in gta/ beside it."""
    folder = tmp_path_factory.mktemp("carried")
    source = {"root": write_carried(write_gta(folder / "gta", 3)), "layout": "gta", "carry": ["depth", "camera"]}
    shutil.copytree(folder / "gta/images", folder / "gta/truth")
    source["truth"] = "truth"
    target = {"root": write_cityscapes(folder / "cs", [("train", 2)]), "layout": "cityscapes"}
    data = DataParams.model_validate({"source": source, "target": target, "classes": ["road", "sky", "car"]})
    prepare(data, PrepareParams(size="native"), out=folder / "prepared", sets=folder / "sets", work=folder / "work")
    translate_dataset(
        load_model(write_model(folder / "model")),
        TranslateParams(device="cpu", threads=1),
        prepared=folder / "prepared",
        out=folder / "translated",
        sets=folder / "sets",
        work=folder / "work",
    )
    return folder / "translated"


def test_translation_hands_on_what_it_was_given_and_says_its_hashes(dataset: Path) -> None:
    assert not verify(dataset).faults
    rows = {row["key"]: row for path in shard_files(dataset / "train") for row in read_rows(path)}
    for said in read_manifest(dataset / "manifest.parquet").rows:
        carried = {file["name"]: file["bytes"] for file in rows[said["key"]]["carried"]}
        assert carried["depth"] == (dataset.parent / f"gta/depth/{said['key']}.png").read_bytes()
        assert [file["name"] for file in said["carried_sha256"]] == ["camera", "depth"]


@pytest.mark.parametrize("layout", ["gta", "cityscapes"])
def test_a_layout_that_hflow_reads_gives_it_back(dataset: Path, layout: str, tmp_path: Path) -> None:
    export(dataset, tmp_path / "out", layout=layout)
    assert not verify(tmp_path / "out").faults
    domain = DomainParams.model_validate({"root": tmp_path / "out", "layout": layout, "carry": ["depth", "camera"]})
    domain = domain.model_copy(update={"truth": "truth"})
    samples = open_raw(domain).splits["train"]
    assert len(samples) == 3
    given, truths = {}, {}
    for sample in samples:
        name = json.loads(sample.carried["camera"].read_text())["of"]
        given[name] = sample.carried["depth"].read_bytes()
        truths[name] = np.asarray(Image.open(sample.truth))
    assert {name: truth.tolist() for name, truth in truths.items()} == {
        p.stem: np.asarray(Image.open(p)).tolist() for p in (dataset.parent / "gta/truth").iterdir()
    }
    assert given == {p.stem: p.read_bytes() for p in (dataset.parent / "gta/depth").iterdir()}
    if layout == "cityscapes":
        assert (tmp_path / "out/camera/train/frames/frames_000000_000001_camera.json").is_file()


def test_webdataset_has_it_beside_the_image(dataset: Path, tmp_path: Path) -> None:
    export(dataset, tmp_path / "out", layout="webdataset")
    with tarfile.open(next((tmp_path / "out").glob("*.tar"))) as archive:
        for key in ("00000", "00001", "00002"):
            for kind, suffix in (("depth", ".png"), ("camera", ".json")):
                file = archive.extractfile(f"{key}.{kind}{suffix}")
                assert file is not None
                assert file.read() == (dataset.parent / f"gta/{kind}/{key}{suffix}").read_bytes()


def test_imagefolder_shows_it(dataset: Path, tmp_path: Path) -> None:
    export(dataset, tmp_path / "out", layout="imagefolder")
    found = load_dataset(
        "imagefolder", data_dir=str(tmp_path / "out"), split="train", cache_dir=str(tmp_path / "cache")
    )
    assert found[0]["depth"].size == (48, 24)
    assert json.loads((tmp_path / "out/train" / found[0]["camera_file"]).read_text())["of"] == "00000"


def test_a_file_that_was_changed_is_named_by_verify_and_exported_by_none(dataset: Path, tmp_path: Path) -> None:
    def forge(path: Path) -> None:
        rows = list(read_rows(path))
        rows[1]["carried"][0]["bytes"] = b"{}"
        rows[2]["carried"].pop()
        write_shard(path, rows, TRANSLATED_SCHEMA)

    copy = tmp_path / "copy"
    for path in (p for p in dataset.rglob("*") if p.is_file()):
        (copy / path.relative_to(dataset)).parent.mkdir(parents=True, exist_ok=True)
        (copy / path.relative_to(dataset)).write_bytes(path.read_bytes())
    forge(shard_files(copy / "train")[0])
    said = "\n".join(str(fault) for fault in verify(copy).faults)
    assert "00001: camera has other bytes than the manifest says" in said
    assert "00002: depth is missing" in said
    with pytest.raises(HflowError, match="00001 is not as the manifest says"):
        export(copy, tmp_path / "out", layout="gta")
