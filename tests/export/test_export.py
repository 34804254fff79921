"""`hflow export`: each layout as its own loader reads it, whole or absent, resumed where it was stopped."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torchvision
import webdataset
from datasets import load_dataset
from PIL import Image

from hflow.datasets.images import decode_ids, decode_rgb
from hflow.datasets.inspection import inspect_dataset
from hflow.datasets.layouts.opening import open_raw
from hflow.datasets.shards import read_rows, shard_files
from hflow.datasets.verification import verify
from hflow.export.layouts import LAYOUTS
from hflow.export.writing import FORMATS, export
from hflow.foundation.errors import HflowError
from hflow.foundation.labels import TRAIN_CLASSES, train_id_table
from hflow.foundation.params import DomainParams

PLAIN = [name for name, layout in LAYOUTS.items() if not layout.objects]


@pytest.fixture(scope="module")
def rows(dataset: Path) -> dict[str, dict[str, Any]]:
    return {row["key"]: row for path in shard_files(dataset / "train") for row in read_rows(path)}


def _bytes(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def _ids(row: dict[str, Any], column: str = "label") -> np.ndarray:
    return decode_ids(row[column]["bytes"])


def _official(row: dict[str, Any]) -> np.ndarray:
    """Cityscapes' train ids of a label that has road, sky and car."""
    return np.select([_ids(row) == raw for raw in (7, 23, 26)], [0, 10, 13], 255)


def _keys(out: Path) -> dict[str, str]:
    """The key of each image of an export in the layout cityscapes."""
    with (out / "keys.csv").open(newline="") as table:
        return {line["image"]: line["key"] for line in csv.DictReader(table)}


def test_gta_keeps_names_and_bytes_and_is_read_again_by_hflow(
    dataset: Path, rows: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    export(dataset, tmp_path / "out", layout="gta")
    raw = open_raw(DomainParams(root=tmp_path / "out", layout="gta"))
    samples = raw.splits["train"]
    assert [s.key for s in samples] == sorted(rows)
    for sample in samples:
        row = rows[sample.key]
        assert sample.image is not None
        assert sample.label is not None
        assert sample.image.read_bytes() == row["image"]["bytes"]
        assert np.array_equal(raw.read_label(sample.label), _ids(row)), "as colours"
        with Image.open(sample.label) as label:
            assert np.array_equal(np.asarray(label), _ids(row)), "as ids"
        train_ids = sample.label.with_name(f"{sample.key}_labelTrainIds.png")
        with Image.open(train_ids) as label:
            assert np.array_equal(np.asarray(label), _official(row))


def test_the_class_statistics_are_as_rare_class_sampling_reads_them(
    dataset: Path, rows: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    export(dataset, out, layout="gta")
    stats = json.loads((out / "sample_class_stats.json").read_text())
    overall: dict[int, int] = {}
    for entry in stats:  # as DAFormer's get_rcs_class_probs does
        entry.pop("file")
        for c, n in entry.items():
            overall[int(c)] = overall.get(int(c), 0) + n
    truth = np.bincount(np.concatenate([_official(r).ravel() for r in rows.values()]), minlength=256)
    assert overall == {i: truth[i] for i in range(255) if truth[i]}
    with_class = json.loads((out / "samples_with_class.json").read_text())
    assert with_class.keys() == {str(c) for c in overall}
    for c, samples in with_class.items():
        for file, count in samples:
            with Image.open(out / file) as label:
                assert int((np.asarray(label) == int(c)).sum()) == count


def _near(image: Image.Image, row: dict[str, Any], image_format: str) -> bool:
    """Whether an image is the row's: every pixel as PNG, a few grey levels beside it otherwise."""
    off = abs(np.asarray(image.convert("RGB")).astype(int) - decode_rgb(row["image"]["bytes"]))
    return bool(off.max() == 0 if image_format == "png" else off.mean() < 6)


@pytest.mark.parametrize("image_format", FORMATS)
def test_torchvision_loads_the_layout_cityscapes(
    dataset: Path, rows: dict[str, dict[str, Any]], tmp_path: Path, image_format: str
) -> None:
    export(dataset, tmp_path / "out", layout="cityscapes", image_format=image_format)
    loaded = torchvision.datasets.Cityscapes(str(tmp_path / "out"), split="train", mode="fine", target_type="semantic")
    assert len(loaded) == 12
    keys = _keys(tmp_path / "out")
    for i, path in enumerate(loaded.images):
        row = rows[keys[Path(path).relative_to(tmp_path / "out").as_posix()]]
        image, label = loaded[i]
        assert _near(image, row, image_format)
        assert np.array_equal(np.asarray(label), _ids(row))
    assert len(list((tmp_path / "out").rglob("*_gtFine_labelTrainIds.png"))) == 12
    for path in (tmp_path / "out").rglob("*_gtFine_labelTrainIds.png"):
        image = path.name.replace("_gtFine_labelTrainIds.png", f"_leftImg8bit{FORMATS[image_format][0]}")
        key = keys[f"leftImg8bit/train/frames/{image}"]
        with Image.open(path) as label:
            assert np.array_equal(np.asarray(label), _official(rows[key]))
    again = open_raw(DomainParams(root=tmp_path / "out", layout="cityscapes"))
    assert [bool(s.image and s.label) for s in again.splits["train"]] == [True] * 12


def test_the_official_evaluation_of_cityscapes_scores_an_export(dataset: Path, tmp_path: Path) -> None:
    out, results = tmp_path / "out", tmp_path / "results"
    export(dataset, out, layout="cityscapes")
    shutil.copytree(out / "gtFine" / "train", out / "gtFine" / "val")
    results.mkdir()
    for path in (out / "gtFine" / "val").rglob("*_labelIds.png"):
        shutil.copy(path, results / path.name.replace("gtFine_labelIds", "prediction"))
    # What `csEvalPixelLevelSemanticLabeling` runs; cityscapesscripts 2.3 calls what NumPy 2.4 has under its newer name.
    program = (
        "import numpy; numpy.in1d = numpy.isin\n"
        "from cityscapesscripts.evaluation.evalPixelLevelSemanticLabeling import main; main()"
    )
    places = {"CITYSCAPES_DATASET": str(out), "CITYSCAPES_RESULTS": str(results)}
    done = subprocess.run([sys.executable, "-c", program], env=os.environ | places, check=False, capture_output=True)
    assert done.returncode == 0, done.stdout + done.stderr
    scores = json.loads((out / "evaluationResults" / "resultPixelLevelSemanticLabeling.json").read_text())
    scored = {name: score for name, score in scores["classScores"].items() if score == score}
    assert scored == {"road": 1.0, "sky": 1.0, "car": 1.0}


def test_names_of_cityscapes_are_kept_and_others_counted_by_city() -> None:
    names = LAYOUTS["cityscapes"].names
    official = [("train", "ulm/ulm_000001_000019"), ("val", "ulm/ulm_000001_000019")]
    assert names is not None
    assert list(names(official)) == [key for _, key in official]
    counted = names([("train", "new_york/a/3"), ("train", "new_york/b"), ("train", "ulm/ulm_000001_000019")])
    assert list(counted) == ["newyork/newyork_000000_000000", "newyork/newyork_000000_000001", "ulm/ulm_000000_000000"]
    assert list(names([("train", "3"), ("val", "7")])) == ["frames/frames_000000_000000"] * 2


@pytest.mark.parametrize("image_format", FORMATS)
def test_webdataset_loads_the_tars(
    dataset: Path, rows: dict[str, dict[str, Any]], tmp_path: Path, image_format: str
) -> None:
    export(dataset, tmp_path / "out", layout="webdataset", image_format=image_format)
    tars = sorted(str(p) for p in (tmp_path / "out").glob("train-*.tar"))
    assert len(tars) == len(shard_files(dataset / "train"))
    loaded = list(webdataset.WebDataset(tars, shardshuffle=False).decode("pil"))
    assert sorted(sample["__key__"] for sample in loaded) == sorted(rows)
    for sample in loaded:
        row = rows[sample["__key__"]]
        assert _near(sample[FORMATS[image_format][0][1:]], row, image_format)
        assert np.array_equal(np.asarray(sample["label.png"].convert("L")), _ids(row))
        assert sample["json"]["source_path"] == row["source_path"]


@pytest.mark.parametrize("image_format", FORMATS)
def test_datasets_loads_the_imagefolder(
    dataset: Path,
    rows: dict[str, dict[str, Any]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    image_format: str,
) -> None:
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    export(dataset, tmp_path / "out", layout="imagefolder", image_format=image_format)
    loaded = load_dataset("imagefolder", data_dir=str(tmp_path / "out"), cache_dir=str(tmp_path / "cache"))["train"]
    assert len(loaded) == 12
    for sample in loaded:
        row = rows[sample["key"]]
        assert _near(sample["image"], row, image_format)
        assert np.array_equal(np.asarray(sample["label"]), _ids(row))
        assert np.array_equal(np.asarray(sample["label_train_ids"]), _ids(row, "label_train_ids"))


@pytest.mark.parametrize("layout", PLAIN)
def test_train_ids_have_their_names_beside_them(dataset: Path, tmp_path: Path, layout: str) -> None:
    export(dataset, tmp_path / "out", layout=layout)
    names = json.loads((tmp_path / "out" / "id2label.json").read_text())
    classes = TRAIN_CLASSES if LAYOUTS[layout].official else ["road", "sky", "car"]
    assert names == {str(train_id): name for train_id, name in enumerate(classes)}
    assert json.loads((dataset / "id2label.json").read_text()) == {"0": "road", "1": "sky", "2": "car"}


READERS = {"gta": "gta", "cityscapes": "cityscapes", "imagefolder": "folder"}


@pytest.mark.parametrize("image_format", FORMATS)
@pytest.mark.parametrize("layout", READERS)
def test_what_is_exported_is_read_again_with_its_classes(
    dataset: Path, rows: dict[str, dict[str, Any]], tmp_path: Path, layout: str, image_format: str
) -> None:
    export(dataset, tmp_path / "out", layout=layout, image_format=image_format)
    domain = DomainParams.model_validate({"root": tmp_path / "out", "layout": READERS[layout]})
    found = inspect_dataset(domain, whole=True)
    assert (found.at_fault, found.images["train"], found.labelled["train"]) == (0, 12, 12)
    raw = open_raw(domain)
    table = train_id_table(raw.raw_classes, ["road", "sky", "car"])
    for sample in raw.splits["train"]:
        assert sample.label is not None
        assert sample.image is not None
        image = sample.image.relative_to(tmp_path / "out").as_posix()
        row = rows[_keys(tmp_path / "out")[image] if layout == "cityscapes" else sample.key]
        assert np.array_equal(table[raw.read_label(sample.label)], _ids(row, "label_train_ids"))


@pytest.mark.parametrize("image_format", FORMATS)
def test_gta_in_another_format_stays_near_and_leaves_labels_alone(
    dataset: Path, rows: dict[str, dict[str, Any]], tmp_path: Path, image_format: str
) -> None:
    export(dataset, tmp_path / "out", layout="gta", image_format=image_format)
    for key, row in rows.items():
        with Image.open(tmp_path / "out" / "images" / f"{key}{FORMATS[image_format][0]}") as image:
            assert image.format == FORMATS[image_format][1]
            assert _near(image, row, image_format)
        with Image.open(tmp_path / "out" / "labels" / f"{key}.png") as label:
            assert np.array_equal(np.asarray(label), _ids(row))


@pytest.mark.parametrize("layout", PLAIN)
def test_a_killed_export_goes_on_and_ends_in_the_same_bytes(dataset: Path, tmp_path: Path, layout: str) -> None:
    export(dataset, tmp_path / "whole", layout=layout)
    child = os.fork()
    if child == 0:
        written = 0

        def count(event: str, arguments: tuple[Any, ...]) -> None:
            nonlocal written
            if event != "open" or not str(arguments[0]).startswith(str(tmp_path)) or "w" not in str(arguments[1]):
                return
            written += 1
            if written == (5 if layout == "webdataset" else 21):  # the first are the lock and the list of frames
                os.kill(os.getpid(), signal.SIGKILL)

        try:
            sys.addaudithook(count)
            export(dataset, tmp_path / "out", layout=layout)
        except BaseException as error:
            print(repr(error), file=sys.stderr, flush=True)
        finally:
            os._exit(0)
    assert os.WIFSIGNALED(os.waitpid(child, 0)[1])
    assert not (tmp_path / "out").exists()
    (staging,) = tmp_path.glob(".out.export-*")
    first = json.loads(min((staging / ".finished").iterdir()).read_text())["files"]
    before = {name: (staging / name).stat().st_ino for name in first}
    export(dataset, tmp_path / "out", layout=layout)
    assert {name: (tmp_path / "out" / name).stat().st_ino for name in first} == before
    assert _bytes(tmp_path / "out") == _bytes(tmp_path / "whole")
    assert {p.name for p in tmp_path.iterdir()} == {"out", "whole"}


def test_every_file_is_in_the_sums_and_the_card_tells_counts_provenance_and_licences(
    dataset: Path, rows: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    export(dataset, out, layout="cityscapes", origins={"frames, /data/gta5": "research only"})
    done = subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=out, check=False)
    assert done.returncode == 0
    named = {line.split("  ")[1] for line in (out / "SHA256SUMS").read_text().splitlines()}
    assert named | {"SHA256SUMS"} == _bytes(out).keys()
    card = (out / "README.md").read_text()
    manifest = pq.read_table(dataset / "manifest.parquet").to_pylist()
    labels = np.concatenate([_official(row).ravel() for row in rows.values()])
    for said in (
        "| train | 12 | 12 | 0 |",
        f"| 0 | road | {(labels == 0).sum() / (labels != 255).sum():.4f} |",
        f"| 13 | car | {(labels == 13).sum() / (labels != 255).sum():.4f} |",
        "The train ids are those of Cityscapes",
        "instanceIds are labelIds",
        f"Mean SSIM to the source: {np.mean([row['ssim'] for row in manifest]):.4f}",
        *(manifest[0][name] for name in ("model", "model_sha256", "params_fingerprint", "code_fingerprint")),
        "frames, /data/gta5: research only",
    ):
        assert said in card
    export(dataset, tmp_path / "silent", layout="cityscapes")
    assert "- not stated" in (tmp_path / "silent/README.md").read_text()


@pytest.mark.parametrize("layout", PLAIN)
def test_verify_reads_an_export_again(dataset: Path, tmp_path: Path, layout: str) -> None:
    out = tmp_path / "out"
    export(dataset, out, layout=layout)
    found = verify(out)
    assert (found.given, found.translated, found.faults) == (12, 12, [])
    first = min(p for p in out.rglob("*") if p.suffix in (".png", ".tar"))
    content = bytearray(first.read_bytes())
    content[len(content) // 2] ^= 1
    first.write_bytes(content)
    name = first.relative_to(out).as_posix()
    assert [str(fault) for fault in verify(out).faults] == [f"{name}: has other bytes than SHA256SUMS says"]
    first.unlink()
    assert [str(fault) for fault in verify(out).faults] == [f"{name}: is missing"]
    (out / "SHA256SUMS").unlink()
    assert [str(fault) for fault in verify(out).faults] == ["SHA256SUMS: is missing"]


def test_the_same_export_again_changes_nothing_and_another_is_refused(dataset: Path, tmp_path: Path) -> None:
    export(dataset, tmp_path / "out", layout="gta")
    times = {p: p.stat().st_mtime_ns for p in (tmp_path / "out").rglob("*")}
    export(dataset, tmp_path / "out", layout="gta")
    assert {p: p.stat().st_mtime_ns for p in (tmp_path / "out").rglob("*")} == times
    with pytest.raises(HflowError, match="holds something else"):
        export(dataset, tmp_path / "out", layout="cityscapes")
