"""Check and prepare go by the same code: what the one finds at fault the other rejects, in whatever folder."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from hflow.datasets.inspection import inspect_dataset
from hflow.datasets.preparation import prepare
from hflow.datasets.shards import read_rows, shard_files
from hflow.foundation.errors import HflowError
from hflow.foundation.params import DataParams, DomainParams, PrepareParams
from tests.pictures import street_ids, write_gta
from tests.raw_data import gta5_label, picture, save, write_pair

MODES = ("RGB", "L", "P", "RGBA", "LA", "1", "CMYK", "I;16", "F")
SUFFIXES = (".png", ".jpg", ".webp", ".tif", ".bmp", ".PNG")
NAMES = (
    "1",
    "2",
    "a/1",
    "näme",
    "with space",
    "x" * 201,
    "a\\b",
    "line\nbreak",
    "\udcff",
    ".hidden",
    "@eaDir/1",
    "1.5",
)
LABELS = ("ids", "colours", "palette", "small", "turned", "upright", "none", "broken", "link")
DAMAGES = ("none", "none", "none", "truncated", "empty", "flat", "no file", "link")

FRAMES = st.tuples(
    st.sampled_from(NAMES),
    st.sampled_from(SUFFIXES),
    st.sampled_from(MODES),
    st.integers(0, 9),
    st.sampled_from(LABELS),
    st.sampled_from(DAMAGES),
)


def _write_image(path: Path, mode: str, orientation: int, damage: str, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = picture(seed) if damage != "flat" else Image.new("RGB", (48, 24), (9, 9, 9))
    exif = Image.Exif()
    exif[0x0112] = orientation
    try:
        image.convert("L" if mode in ("I;16", "F") else mode).convert(mode).save(path, exif=exif)
    except (OSError, ValueError):  # a mode that the format does not have
        image.save(path, exif=exif)
    if damage == "truncated":
        path.write_bytes(path.read_bytes()[:100])
    if damage == "empty":
        path.write_bytes(b"")
    if damage in ("no file", "link"):
        path.unlink()
    if damage == "link":
        path.symlink_to("nowhere.png")


def _write_label(path: Path, kind: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    ids = street_ids(0)
    exif = Image.Exif()
    exif[0x0112] = 6
    write: dict[str, Callable[[], object]] = {
        "ids": lambda: save(ids, path),
        "colours": lambda: save(gta5_label(ids).convert("RGB"), path),
        "palette": lambda: save(gta5_label(ids), path),
        "small": lambda: save(ids[:5], path),
        "turned": lambda: save(ids, path, exif=exif),
        "upright": lambda: save(np.ascontiguousarray(ids.T), path),
        "none": lambda: None,
        "broken": lambda: path.write_bytes(b"\x89PNG"),
        "link": lambda: path.symlink_to("nowhere.png"),
    }
    write[kind]()


def _prepared(domain: DomainParams, target: Path, work: Path) -> tuple[set[str], int, str]:
    """The keys prepared, the number of samples rejected, and what was said where all or none could be."""
    data = DataParams.model_validate({"source": domain, "target": {"root": target, "layout": "gta"}})
    params = PrepareParams(size="native", max_rejected=1.0, workers=1)
    try:
        prepare(data, params, out=work / "out", sets=work / "sets", work=work / "work")
    except HflowError as error:
        return set(), -1, str(error)
    rows = [row["key"] for path in shard_files(work / "out/source/train") for row in read_rows(path, ["key"])]
    assert len(rows) == len(set(rows))
    return set(rows), pq.read_table(work / "out/rejected.parquet").num_rows, ""


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_gta(tmp_path_factory.mktemp("target"), 2)


@settings(max_examples=40)
@given(layout=st.sampled_from(["gta", "folder"]), frames=st.lists(FRAMES, max_size=6), labelled=st.booleans())
def test_what_check_lets_through_is_prepared_and_nothing_else(
    target: Path, layout: str, frames: list[tuple[str, str, str, int, str, str]], labelled: bool
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root, work = Path(folder, "raw"), Path(folder, "work")
        write_pair(root, "good", street_ids(0) if labelled else None)
        for seed, (name, suffix, mode, orientation, label, damage) in enumerate(frames):
            _write_image(root / "images" / f"{name}{suffix}", mode, orientation, damage, seed)
            if labelled:
                _write_label(root / "labels" / f"{name}.png", label)
        options = {"classes": "cityscapes"} if layout == "folder" else {}
        domain = DomainParams.model_validate({"root": root, "layout": layout} | options)
        found = inspect_dataset(domain, whole=True)
        keys, rejected, said = _prepared(domain, target, work)
        assert said == ""
        assert found.at_fault == rejected
        assert sum(found.sizes.values()) - len(keys) <= found.at_fault
        assert "good" in keys
        assert not any("hidden" in key or "@" in key for key in keys)


@pytest.mark.parametrize("layout", ["gta", "folder", "cityscapes"])
@pytest.mark.parametrize("wrong", ["missing", "file", "empty", "circle", "other"])
def test_a_folder_that_can_not_be_opened_is_refused_by_both_in_the_same_words(
    target: Path, tmp_path: Path, layout: str, wrong: str
) -> None:
    root = tmp_path / "raw"
    if wrong == "file":
        root.write_bytes(b"")
    elif wrong != "missing":
        inner = {"cityscapes": "leftImg8bit/train"}.get(layout, "images") if wrong != "other" else "pictures"
        (root / inner).mkdir(parents=True)
        if wrong == "circle":
            (root / inner / "again").symlink_to(root / inner, target_is_directory=True)
    domain = DomainParams.model_validate({"root": root, "layout": layout})
    with pytest.raises(HflowError) as checked:
        inspect_dataset(domain)
    assert _prepared(domain, target, tmp_path)[2].startswith(f"data.source: {checked.value}")
