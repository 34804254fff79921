"""translate meets shards that are damaged or made to harm: each is named, and what is whole comes through."""

import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hflow.datasets.images import encode_png
from hflow.datasets.shards import PREPARED_SCHEMA, read_rows, shard_files
from hflow.foundation.errors import HflowError
from hflow.model.store import TrainedModel
from hflow.translation import shard_worker
from tests.conftest import Project
from tests.translations import bytes_of, manifest_of, rewrite, translate


def test_a_shard_damaged_inside_is_named_and_the_others_are_kept(
    given: Project, model: TrainedModel, undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    shard = shard_files(given.prepared / "source/train")[2]
    whole = shard.read_bytes()
    shard.write_bytes(whole[:4] + b"\xff" * 200 + whole[204:])
    with pytest.raises(HflowError, match=rf"1 of 4 shards .*{shard.name} is not a whole Parquet file"):
        translate(given, model, tmp_path)
    assert not (tmp_path / "translated").exists()
    assert len(list((tmp_path / "work").glob("*.json"))) == 3
    shard.write_bytes(whole)
    translate(given, model, tmp_path)
    assert bytes_of(tmp_path / "translated") == undisturbed


@pytest.mark.parametrize(
    "damage",
    [
        lambda whole: whole[: len(whole) // 2],
        lambda _: b"",
        lambda whole: whole[:-8] + struct.pack("<I", 0x7FFFFFFF) + b"PAR1",  # a header of 2 GiB
        lambda _: b"PAR1" + b"\x19\xfc\xff\xff\xff\xff\x0f" * 99 + struct.pack("<I", 693) + b"PAR1",
    ],
)
def test_what_is_no_whole_shard_is_named_before_anything_is_translated(
    given: Project, model: TrainedModel, tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    shard = shard_files(given.prepared / "source/train")[1]
    shard.write_bytes(damage(shard.read_bytes()))
    with pytest.raises(HflowError, match=rf"{shard.name} is not a whole Parquet file"):
        translate(given, model, tmp_path)
    assert not list(tmp_path.glob("work/*.json"))


def test_a_shard_that_would_unpack_to_a_multiple_of_its_size_is_refused(
    given: Project, model: TrainedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shard = shard_files(given.prepared / "source/train")[1]
    rows = list(read_rows(shard))
    rows[0]["image"]["bytes"] = bytes(1 << 20)
    pq.write_table(pa.Table.from_pylist(rows, schema=PREPARED_SCHEMA), shard, compression="zstd")
    monkeypatch.setattr("hflow.datasets.shards._LARGEST_GROUP", 1 << 19)
    with pytest.raises(HflowError, match=rf"{shard.name} would unpack"):
        translate(given, model, tmp_path)


def test_a_shard_of_another_stage_is_refused(given: Project, model: TrainedModel, tmp_path: Path) -> None:
    shard = shard_files(given.prepared / "source/train")[1]
    pq.write_table(pa.table({"key": ["a"], "image": ["b"]}), shard)
    with pytest.raises(HflowError, match=rf"{shard.name} has no column 'image' of struct"):
        translate(given, model, tmp_path)


def test_a_shard_changed_while_it_is_read_is_named(
    given: Project, model: TrainedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shard = shard_files(given.prepared / "source/train")[1]

    def changed(path: Path) -> Iterator[dict[str, Any]]:
        rows = read_rows(path)
        yield next(rows)
        if path == shard.resolve():
            shard.write_bytes(shard.read_bytes() + b" ")
        yield from rows

    monkeypatch.setattr(shard_worker, "read_rows", changed)
    with pytest.raises(HflowError, match=rf"{shard.name} was changed while it was read"):
        translate(given, model, tmp_path)
    assert not (tmp_path / "translated").exists()


def _bomb() -> bytes:
    """A PNG of 60000x60000 pixels in a few bytes."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(9))) + chunk(b"IEND", b"")


def _flipped(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


HOSTILE: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "no key": (lambda row: row.update(key=None), "has no key"),
    "outside": (lambda row: row.update(key="../../x"), "not a plain relative path"),
    "absolute": (lambda row: row.update(key="/etc/passwd"), "not a plain relative path"),
    "bomb": (lambda row: row["image"].update(bytes=_bomb()), "too many pixels"),
    "flipped": (lambda row: row["image"].update(bytes=_flipped(row["image"]["bytes"])), "can't be decoded"),
    "no image": (lambda row: row.update(image=None), "has no image"),
    "not an image": (lambda row: row["image"].update(bytes=b"x" * 99), "not an image"),
    "another size": (lambda row: row.update(width=33), "its row says 33x24"),
    "a larger image than its row says": (lambda row: row.update(width=31), "too many pixels: it is 32x24"),
    "label of another size": (
        lambda row: row["label"].update(bytes=encode_png(np.zeros((5, 5), np.uint8))),
        "label is 5x5, the image 32x24",
    ),
    "label that is cut": (lambda row: row["label_train_ids"].update(bytes=b"\x89PNG"), "label_train_ids "),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_row_is_rejected_by_name_and_the_others_are_as_ever(
    given: Project, model: TrainedModel, undisturbed: dict[str, bytes], tmp_path: Path, name: str
) -> None:
    harm, reason = HOSTILE[name]
    shard = shard_files(given.prepared / "source/train")[0]
    rewrite(shard, lambda rows: harm(rows[0]) and None)
    with pytest.raises(HflowError, match=rf"1 of 12 frames are at fault.*translate.max_rejected.*{reason}"):
        translate(given, model, tmp_path)
    assert not (tmp_path / "translated").exists()
    counts = translate(given, model, tmp_path, max_rejected=0.5)
    assert (counts["given"], counts["translated"], counts["rejected"]) == (12, 11, 1)
    rejected = [row for row in manifest_of(tmp_path).values() if row["status"] == "rejected"]
    assert [reason in row["reason"] for row in rejected] == [True]
    now = bytes_of(tmp_path / "translated")
    others = [n for n in undisturbed if n.startswith("train/") and n != f"train/{shard.name}"]
    assert len(others) == 3
    assert all(now[n] == undisturbed[n] for n in others)
    assert {p.name for p in tmp_path.iterdir()} == {"given", "translated", "work"}
