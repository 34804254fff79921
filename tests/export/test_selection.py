"""`hflow export --split, --min-consistency, --size`: what is left out is said wherever frames are counted."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from hflow.datasets.images import decode_ids, decode_rgb
from hflow.datasets.manifest import MANIFEST, MANIFEST_SCHEMA, Manifest, read_manifest
from hflow.datasets.manifest_rows import ManifestRows
from hflow.datasets.shards import TRANSLATED_SCHEMA, read_rows, shard_files, write_shard
from hflow.datasets.verification import verify
from hflow.export.selection import Selection
from hflow.export.writing import export
from hflow.foundation.errors import HflowError
from hflow.foundation.params import TranslateParams
from hflow.model.store import load_model
from hflow.translation.dataset import translate_dataset
from tests.conftest import Project


@pytest.fixture(scope="module")
def dataset(project: Project, model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve frames, three of them of the split val; the consistency of frame N is N hundredths."""
    folder = tmp_path_factory.mktemp("selection")
    out, places = folder / "translated", {"sets": project.sets, "work": folder / "work"}
    params = TranslateParams(device="cpu")
    translate_dataset(load_model(model_folder), params, prepared=project.prepared, out=out, **places)
    manifest = pq.read_table(out / MANIFEST)
    said = {row["key"]: row for row in manifest.to_pylist()}
    rows = [row for path in shard_files(out / "train") for row in read_rows(path)]
    for path in shard_files(out / "train"):
        path.unlink()
    for number, row in enumerate(sorted(rows, key=lambda row: row["key"])):
        split = "val" if number >= 9 else "train"
        row["consistency"] = np.float32(number / 100)
        said[row["key"]] |= {"split": split, "shard": f"shard-{split}.parquet", "consistency": row["consistency"]}
    for split in ("train", "val"):
        (out / split).mkdir(exist_ok=True)
        of_split = [row for row in rows if said[row["key"]]["split"] == split]
        write_shard(out / split / f"shard-{split}.parquet", of_split, TRANSLATED_SCHEMA)
    pq.write_table(pa.Table.from_pylist(list(said.values()), schema=manifest.schema), out / MANIFEST)
    return out


def _rows(dataset: Path) -> dict[str, dict[str, Any]]:
    return {row["key"]: row for path in dataset.rglob("shard-*.parquet") for row in read_rows(path)}


def test_one_split_alone_is_exported_and_counted(dataset: Path, tmp_path: Path) -> None:
    said = export(dataset, tmp_path / "out", layout="imagefolder", selection=Selection(split="val"))
    assert said["frames"] == 3
    assert {p.name for p in (tmp_path / "out").iterdir() if p.is_dir()} == {"val"}
    card = (tmp_path / "out/README.md").read_text()
    assert "| val | 3 | 3 | 0 |" in card
    assert "| train |" not in card
    found = verify(tmp_path / "out")
    assert (found.given, found.translated, found.faults) == (3, 3, [])


def test_frames_under_the_consistency_asked_for_are_rejected_with_their_reason(dataset: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    export(dataset, out, layout="cityscapes", selection=Selection(min_consistency=0.04))
    manifest = read_manifest(out / MANIFEST)
    assert [row["key"] for row in manifest.rejected] == sorted(_rows(dataset))[:4]
    assert {row["reason"] for row in manifest.rejected} == {
        f"its consistency is 0.0{n}0, and --min-consistency 0.04" for n in range(4)
    }
    assert len(list(out.rglob("*_leftImg8bit.png"))) == 8
    card = (out / "README.md").read_text()
    assert "| train | 9 | 5 | 4 |" in card
    assert "Selected: consistency of at least 0.04." in card
    found = verify(out)
    assert (found.given, found.translated, found.rejected, found.faults) == (12, 8, 4, [])


def test_another_size_is_that_of_images_labels_and_manifest(dataset: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    export(dataset, out, layout="gta", selection=Selection(size=(16, 16)))
    assert {(row["width"], row["height"]) for row in read_manifest(out / MANIFEST).frames} == {(16, 16)}
    for key, row in _rows(dataset).items():
        root = out if (out / f"images/{key}.png").is_file() else out / "val"
        with Image.open(root / f"images/{key}.png") as image, Image.open(root / f"labels/{key}.png") as label:
            middle = decode_ids(row["label"]["bytes"])[:, 4:28]  # of 32x24
            centres = np.arange(16) * 3 // 2 + np.arange(16) % 2  # 1.5 n + 0.75, in whole pixels
            assert np.array_equal(np.asarray(label), middle[np.ix_(centres, centres)])
            whole = Image.fromarray(decode_rgb(row["image"]["bytes"])[:, 4:28])
            assert abs(np.asarray(image).astype(int) - whole.resize((16, 16))).mean() < 3


def test_a_folder_of_another_selection_is_not_taken_for_finished(dataset: Path, tmp_path: Path) -> None:
    first, other = Selection(min_consistency=0.02), Selection(min_consistency=0.03)
    export(dataset, tmp_path / "out", layout="gta", selection=first)
    assert export(dataset, tmp_path / "out", layout="gta", selection=first)["frames"] == 10
    with pytest.raises(HflowError, match="holds something else"):
        export(dataset, tmp_path / "out", layout="gta", selection=other)
    assert json.loads((tmp_path / "out/export.json").read_text())["selection"] == {"consistency of at least": 0.02}


def test_a_selection_of_nothing_and_frames_without_consistency_are_refused(dataset: Path, tmp_path: Path) -> None:
    with pytest.raises(HflowError, match=r"has no frame of consistency of at least 0\.5"):
        export(dataset, tmp_path / "out", layout="gta", selection=Selection(min_consistency=0.5))
    manifest = read_manifest(dataset / MANIFEST)
    with pytest.raises(HflowError, match=r"has no consistency.*translate\.judge"):
        Selection(min_consistency=0.5).manifest(_with(manifest, consistency=None))
    carried = [{"name": "depth", "suffix": ".png", "sha256": "0"}]
    with pytest.raises(HflowError, match=r"carries depth.*without --size"):
        Selection(size=(8, 8)).manifest(_with(manifest, carried_sha256=carried))


def _with(manifest: Manifest, **changes: Any) -> Manifest:
    """A manifest whose first row has other values."""
    rows = [row | (changes if number == 0 else {}) for number, row in enumerate(manifest.rows)]
    return replace(manifest, rows=ManifestRows(pa.Table.from_pylist(rows, schema=MANIFEST_SCHEMA)))
