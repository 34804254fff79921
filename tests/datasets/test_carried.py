"""What lies beside a frame comes out of prepare byte for byte, or its frame is rejected with the reason."""

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from datasets import load_dataset
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from hflow.datasets.carried import carried_faults, carried_hashes
from hflow.datasets.inspection import inspect_dataset
from hflow.datasets.preparation import prepare
from hflow.datasets.shards import PREPARED_SCHEMA, count_rows, read_rows, shard_files, write_shard
from hflow.foundation.errors import HflowError
from hflow.foundation.params import DataParams, DomainParams, PrepareParams
from tests.pictures import write_carried, write_cityscapes, write_folder, write_gta

CARRY = ("depth", "camera")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_carried(write_gta(tmp_path / "gta", 4))


def _prepare(root: Path, tmp_path: Path, layout: str = "gta", **options: Any) -> dict[str, dict[str, Any]]:
    """The prepared frames by key."""
    data = DataParams.model_validate(
        {
            "source": {"root": root, "layout": layout, "carry": options.pop("carry", CARRY)},
            "target": {"root": write_cityscapes(tmp_path / "cs", [("train", 2)]), "layout": "cityscapes"},
            "classes": ["road", "sky", "car"],
        }
    )
    params = PrepareParams(**{"size": "native", "shard_size": 2, "max_rejected": 0.5} | options)
    prepare(data, params, out=tmp_path / "prepared", sets=tmp_path / "sets", work=tmp_path / "work")
    return {row["key"]: row for p in shard_files(tmp_path / "prepared/source/train") for row in read_rows(p)}


def _rejected(tmp_path: Path) -> dict[str, str]:
    return {r["key"]: r["reason"] for r in pq.read_table(tmp_path / "prepared/rejected.parquet").to_pylist()}


def _files(row: dict[str, Any]) -> dict[str, bytes]:
    return {file["name"] + file["suffix"]: file["bytes"] for file in row["carried"]}


@pytest.mark.parametrize("size", ["native", (48, 24)])
def test_files_are_in_the_shard_byte_for_byte(root: Path, tmp_path: Path, size: object) -> None:
    for key, row in _prepare(root, tmp_path, size=size).items():
        depth, camera = (root / f"depth/{key}.png").read_bytes(), (root / f"camera/{key}.json").read_bytes()
        assert _files(row) == {"depth.png": depth, "camera.json": camera}


def test_the_library_datasets_reads_such_shards(root: Path, tmp_path: Path) -> None:
    _prepare(root, tmp_path)
    shards = [str(path) for path in shard_files(tmp_path / "prepared/source/train")]
    assert [count_rows(Path(path), PREPARED_SCHEMA) > 0 for path in shards]
    frame = load_dataset("parquet", data_files=shards, split="train", cache_dir=str(tmp_path / "cache"))[0]
    assert frame["image"].size == (48, 24)
    found = {file["name"]: file["bytes"] for file in frame["carried"]}
    assert json.loads(found["camera"]) == {"of": frame["key"]}


def test_a_changed_file_is_read_again(root: Path, tmp_path: Path) -> None:
    _prepare(root, tmp_path)
    (root / "camera/00002.json").write_text('{"of": "another"}')
    assert _files(_prepare(root, tmp_path)["00002"])["camera.json"] == b'{"of": "another"}'


def _turn(image: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 3
    with Image.open(image) as opened:
        opened.save(image, exif=exif)


BREAK = {
    "depth missing": lambda root: (root / "depth/00001.png").unlink(),
    "depth of another size: it is 9x9, the image 48x24": lambda root: Image.new("I;16", (9, 9)).save(
        root / "depth/00001.png"
    ),
    "depth is not an image of a kind that is read (PNG, JPEG, WebP, BMP, TIFF): depth/00001.png": lambda root: (
        root / "depth/00001.png"
    ).write_text(""),
    "depth there twice: 00001.txt; rename or remove one": lambda root: (root / "depth/00001.txt").write_text(""),
    "turned by its EXIF": lambda root: _turn(root / "images/00001.png"),
}


@pytest.mark.parametrize("reason", BREAK)
def test_a_file_at_fault_is_named_by_check_and_by_prepare(reason: str, root: Path, tmp_path: Path) -> None:
    (root / "labels").rename(tmp_path / "labels")  # of a turned image the label would be at fault first
    BREAK[reason](root)
    assert len(_prepare(root, tmp_path)) == 3
    assert reason in _rejected(tmp_path)["00001"]
    found = inspect_dataset(DomainParams(root=root, layout="gta", carry=CARRY))
    assert found.at_fault == 1
    assert reason.partition(":")[0] in found.faults[0]


def test_frames_that_prepare_would_resize_are_refused(root: Path, tmp_path: Path) -> None:
    with pytest.raises(HflowError, match=r"4 x of another size than prepare.size.*set prepare.size to native.*48x24"):
        _prepare(root, tmp_path, size=(32, 16))


def test_a_folder_that_is_missing_ends_it_at_once(root: Path, tmp_path: Path) -> None:
    with pytest.raises(HflowError, match=r"gta/normals is missing, and data.source.carry names normals"):
        _prepare(root, tmp_path, carry=["normals"])


def test_shards_of_before_are_refused_by_the_column(root: Path, tmp_path: Path) -> None:
    rows = list(_prepare(root, tmp_path).values())
    write_shard(tmp_path / "old.parquet", rows, PREPARED_SCHEMA.remove(PREPARED_SCHEMA.get_field_index("carried")))
    with pytest.raises(HflowError, match=r"has no column 'carried'.*run the stage that writes it"):
        count_rows(tmp_path / "old.parquet", PREPARED_SCHEMA)


@pytest.mark.parametrize("split", [("train/images", "train/depth"), ("images/train", "depth/train")])
def test_files_lie_in_split_folders_as_images_do(split: tuple[str, str], tmp_path: Path) -> None:
    write_folder(tmp_path / "plain", 2, labels=False)
    root = tmp_path / "folder"
    for place in split:
        (root / place).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / "plain/images").rename(root / split[0])
    for image in sorted((root / split[0]).rglob("*.png")):
        depth = root / split[1] / image.relative_to(root / split[0]).with_suffix(".npy")
        depth.parent.mkdir(parents=True, exist_ok=True)
        depth.write_bytes(image.name.encode())
    rows = _prepare(root, tmp_path, "folder", carry=["depth"])
    assert {key: _files(row) for key, row in rows.items()} == {
        f"town/{i}": {"depth.npy": f"{i}.png".encode()} for i in range(2)
    }


def test_cityscapes_files_lie_where_cityscapes_has_them(tmp_path: Path) -> None:
    root = write_cityscapes(tmp_path / "source", [("train", 2)])
    for i in range(2):
        name = f"train/aville/aville_{i:06d}_000019"
        for place in ("gtFine/{}_gtFine_instanceIds.png", "disparity/{}_disparity.png", "camera/{}_camera.json"):
            path = root / place.format(name)
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("I;16", (48, 24), i).save(path) if path.suffix == ".png" else path.write_text(str(i))
    rows = _prepare(root, tmp_path, "cityscapes", carry=["instances", "disparity", "camera"])
    files = _files(rows["aville/aville_000001_000019"])
    assert files.keys() == {"instances.png", "disparity.png", "camera.json"}
    assert files["camera.json"] == b"1"
    assert files["instances.png"] == (root / f"gtFine/{name}_gtFine_instanceIds.png").read_bytes()


FILES = st.dictionaries(st.sampled_from(["depth", "boxes", "camera"]), st.binary(max_size=9))


@given(before=FILES, after=FILES)
def test_every_difference_is_a_fault_by_name(before: dict[str, bytes], after: dict[str, bytes]) -> None:
    def column(files: dict[str, bytes]) -> list[dict[str, Any]] | None:
        return [{"name": name, "suffix": ".bin", "bytes": content} for name, content in files.items()] or None

    hashes = carried_hashes(column(before))
    assert {file["name"]: file["sha256"] for file in hashes or ()} == {
        name: sha256(content).hexdigest() for name, content in before.items()
    }
    differing = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    assert {fault.partition(" ")[0] for fault in carried_faults(column(after), hashes)} == differing
