"""The stage prepare: raw datasets to checked, resized, sharded samples; faulty ones are rejected with their reason."""

import functools
import io
import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from hflow.datasets.faults import group_faults
from hflow.datasets.images import encode_png, fit_image
from hflow.datasets.keys import printable
from hflow.datasets.layouts.base import RawDataset, RawSample
from hflow.datasets.layouts.opening import open_domains
from hflow.datasets.preparation_stats import STATS
from hflow.datasets.samples import most_bytes, read_sample
from hflow.datasets.shard_records import RECORDS, ShardRecord, record_bytes
from hflow.datasets.sharding import split_by_key
from hflow.datasets.shards import PREPARED_SCHEMA, image_value, write_shard
from hflow.datasets.training_sets import TrainingSet, replacing_sets
from hflow.foundation.ahead import map_ahead
from hflow.foundation.atomic_folders import publish
from hflow.foundation.code_fingerprint import code_fingerprint
from hflow.foundation.errors import DatasetError, HflowError, PassingError
from hflow.foundation.finished_work import Finished, WorkFolder
from hflow.foundation.hashes import fingerprint
from hflow.foundation.labels import CITYSCAPES, IGNORE, train_id_table
from hflow.foundation.params import DataParams, PrepareParams
from hflow.foundation.progress import progress, say

__all__ = ["REJECTED_SCHEMA", "Rejection", "prepare"]


@dataclass(frozen=True)
class Rejection:
    """A raw sample that did not pass, and why."""

    domain: str
    split: str
    key: str
    source_path: str
    reason: str


REJECTED_SCHEMA = pa.schema([(name, pa.string()) for name in Rejection.__dataclass_fields__])
"""Columns of rejected.parquet."""


def prepare(data: DataParams, params: PrepareParams, *, out: Path, sets: Path, work: Path) -> dict[str, Any]:
    """Prepare both domains.

    Args:
        data, params: the sections of params.yaml.
        out: the folder that gets {source,target}/{train,val}/shard-*.parquet, rejected.parquet and stats.json.
        sets: the folder that gets the descriptions of the training sets source and target.
        work: where finished shards are kept, so that an interrupted run goes on.

    Returns:
        What stats.json says: counts and the share of each class, by domain and split.

    Raises:
        HflowError: a root, layout or parameter is at fault, or too many samples are.
    """
    size = None if params.size == "native" else params.size
    files: dict[str, Path | bytes] = {}
    rejections: list[Rejection] = []
    stats: dict[str, Any] = {"classes": list(data.classes)}
    shards: dict[str, dict[Path, str]] = {}
    too_many: list[str] = []
    # Both are scanned before hours are spent on the first.
    domains = open_domains(data)
    stats["unscored"] = _unscored(domains["target"], data.classes)
    for name, dataset in domains.items():
        for note in dataset.notes:
            say(f"{name}: {note}")
        for split, samples in dataset.splits.items():
            where, labelled = f"{name}/{split}", split in dataset.labelled
            rejected, finished = _prepare_split(
                dataset,
                samples,
                domain=name,
                split=split,
                classes=data.classes,
                size=size,
                fit=params.fit,
                shard_size=params.shard_size,
                workers=params.workers,
                max_pixels=params.max_pixels,
                work=WorkFolder(work),
            )
            for line in group_faults((r.source_path, r.reason) for r in rejected):
                say(f"rejected in {where}: {line}")
            if len(rejected) > params.max_rejected * len(samples) or (samples and len(rejected) == len(samples)):
                too_many.append(_too_many(rejected, len(samples), params.max_rejected, where))
            rejections += rejected
            written = {f"{where}/{name}": piece for name, piece in finished.items() if piece.note["rows"]}
            files |= {place: piece.path for place, piece in written.items()}
            files[f"{where}/{RECORDS}"] = record_bytes(
                {
                    piece_name: ShardRecord(piece.sha256, piece.path.stat().st_size, piece.note["rows"])
                    for piece_name, piece in finished.items()
                    if piece.note["rows"]
                }
            )
            shards[where] = {out / place: piece.sha256 for place, piece in sorted(written.items())}
            stats[where] = _stats(list(finished.values()), len(samples), len(rejected), data.classes, labelled)
    if too_many:
        raise DatasetError("; ".join(too_many))
    files["rejected.parquet"] = _rejected_table(rejections)
    files[STATS] = (json.dumps(stats, indent=2) + "\n").encode()
    with replacing_sets(sets, *(TrainingSet(name, shards[f"{name}/train"]) for name in ("source", "target"))):
        publish(files, out)
    return stats


def _prepare_split(
    dataset: RawDataset,
    samples: Sequence[RawSample],
    *,
    domain: str,
    split: str,
    classes: Sequence[str],
    size: tuple[int, int] | None,
    fit: Literal["crop", "stretch"],
    shard_size: int,
    workers: int,
    max_pixels: int,
    work: WorkFolder,
) -> tuple[list[Rejection], dict[str, Finished]]:
    """The rejections of a split, and its shards by name."""
    labelled = split in dataset.labelled
    by_key = {sample.key: sample for sample in samples if not sample.fault}
    table = train_id_table(dataset.raw_classes, classes)
    settings = [code_fingerprint(prepare), list(dataset.label_settings), labelled, list(dataset.carried)]
    settings.append(dataset.has_truth)
    settings += [domain, split, list(classes), sorted(dataset.raw_classes.items()), size, fit, PREPARED_SCHEMA.names]
    settings.append(max_pixels)

    def reject(sample: RawSample, reason: str) -> Rejection:
        place = dataset.name(sample.image or sample.label or dataset.root)
        return Rejection(domain, split, printable(sample.key), place, reason)

    def prepared(sample: RawSample) -> _Prepared | HflowError:
        try:
            return _prepare_sample(dataset, sample, labelled, table, size, fit, max_pixels)
        except HflowError as error:
            return error

    def write(pool: ThreadPoolExecutor, members: Sequence[RawSample], path: Path) -> dict[str, Any]:
        pixels, rejected, passing = np.zeros(256, np.int64), [], 0

        def passed() -> Iterator[dict[str, Any]]:
            nonlocal passing
            for sample, result in zip(members, map_ahead(pool, prepared, members, 2 * workers), strict=True):
                if isinstance(result, HflowError):
                    rejected.append(asdict(reject(sample, str(result))))
                    passing += isinstance(result, PassingError)
                else:
                    np.add(pixels, result.pixels, out=pixels)
                    yield result.row

        rows = write_shard(path, passed(), PREPARED_SCHEMA)
        return {"rows": rows, "pixels": pixels.tolist(), "rejected": rejected, "passing": passing}

    finished: dict[str, Finished] = {}
    showing = progress(f"prepare {domain}/{split}", len(samples), unit="samples")
    with ThreadPoolExecutor(workers) as pool, showing as advance:
        sizes = map_ahead(pool, functools.partial(most_bytes, size=size), by_key.values(), 64)
        shards = split_by_key(dict(zip(by_key, sizes, strict=True)), 2 * shard_size)
        for name, keys in shards.items():
            members = [by_key[key] for key in keys]
            mark = fingerprint([settings, [_stamp(sample, dataset.root) for sample in members]])
            # A file that is read the next time has the size and the time of change of one that is not.
            finished[name] = work.obtain(
                mark, functools.partial(write, pool, members), keep=lambda note: not note["passing"]
            )
            advance(len(members))
    # A name at fault is no key, so such a sample belongs to no shard.
    rejections = [reject(sample, sample.fault) for sample in samples if sample.fault]
    return rejections + [Rejection(**r) for piece in finished.values() for r in piece.note["rejected"]], finished


@dataclass(frozen=True)
class _Prepared:
    row: dict[str, Any]
    pixels: np.ndarray  # (256,): how many pixels have each train id


def _prepare_sample(
    dataset: RawDataset,
    sample: RawSample,
    labelled: bool,
    table: np.ndarray,
    size: tuple[int, int] | None,
    fit: Literal["crop", "stretch"],
    max_pixels: int,
) -> _Prepared:
    read = read_sample(dataset, sample, labelled=labelled, max_pixels=max_pixels)
    assert sample.image is not None
    if read.carried and size and read.image.size != tuple(size):
        width, height = read.image.size
        raise HflowError(
            "of another size than prepare.size, and what is carried is not resized (set prepare.size to native): "
            f"it is {width}x{height}, not {size[0]}x{size[1]}"
        )
    image = fit_image(read.image, size, fit)
    row: dict[str, Any] = {
        "key": sample.key,
        "image": image_value(encode_png(image), f"{sample.key}.png"),
        "truth": None,
        "label": None,
        "label_train_ids": None,
        "width": image.width,
        "height": image.height,
        "source_path": dataset.name(sample.image),
        "source_sha256": read.sha256,
        "carried": read.carried,
    }
    if read.truth is not None:
        row["truth"] = image_value(encode_png(fit_image(read.truth, size, fit)), f"{sample.key}_truth.png")
    pixels = np.zeros(256, np.int64)
    if read.ids is not None:
        ids = np.asarray(fit_image(Image.fromarray(read.ids), size, fit, nearest=True))
        train_ids = table[ids]  # (H, W)
        row["label"] = image_value(encode_png(ids), f"{sample.key}_labelIds.png")
        row["label_train_ids"] = image_value(encode_png(train_ids), f"{sample.key}_labelTrainIds.png")
        pixels = np.bincount(train_ids.ravel(), minlength=256)
    return _Prepared(row, pixels)


def _stamp(sample: RawSample, root: Path) -> list[Any]:
    """What a file is known by without reading it: its name, size and time of change."""
    stamp: list[Any] = [sample.key]
    for path in (sample.image, sample.label, sample.truth, *(sample.carried[name] for name in sorted(sample.carried))):
        status = path.stat() if path and path.exists() else None
        stamp.append([str(path.relative_to(root)), status.st_size, status.st_mtime_ns] if path and status else None)
    return stamp


def _too_many(rejected: Sequence[Rejection], given: int, allowed: float, where: str) -> str:
    most = group_faults((r.source_path, r.reason) for r in rejected)
    return (
        f"{len(rejected)} of {given} samples of {where} are at fault, more than prepare.max_rejected ({allowed}) "
        f"allows: mend or remove them, or raise it. Most frequent: {most[0]}"
    )


def _stats(
    finished: Sequence[Finished], given: int, rejected: int, classes: Sequence[str], labelled: bool
) -> dict[str, Any]:
    pixels = sum((np.array(piece.note["pixels"]) for piece in finished), np.zeros(256, np.int64))
    share = {name: round(float(pixels[i] / max(pixels.sum(), 1)), 6) for i, name in enumerate(classes)}
    share["ignored"] = round(float(pixels[IGNORE] / max(pixels.sum(), 1)), 6)
    prepared = sum(piece.note["rows"] for piece in finished)
    assert prepared + rejected == given
    counts = {"given": given, "prepared": prepared, "rejected": rejected, "labelled": labelled}
    return counts | ({"class_share": share} if labelled else {})


def _unscored(target: RawDataset, classes: Sequence[str]) -> list[str]:
    """The classes of the target's labels that are not trained on, but what Cityscapes itself never scores."""
    never = {c.name for c in CITYSCAPES if c.train_id == IGNORE} - set(classes)
    known = dict.fromkeys(target.raw_classes.values()) if target.labelled else {}
    return [name for name in known if name not in classes and name not in never]


def _rejected_table(rejections: Sequence[Rejection]) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist([asdict(r) for r in rejections], schema=REJECTED_SCHEMA), buffer)
    return buffer.getvalue()
