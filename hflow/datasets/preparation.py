"""The stage prepare: raw datasets to checked, resized, sharded samples; faulty ones are rejected with their reason."""

import functools
import io
import json
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from hflow.datasets.images import encode_png, fit_image, open_rgb
from hflow.datasets.layouts.base import RawDataset, RawSample
from hflow.datasets.layouts.opening import open_raw
from hflow.datasets.preparation_stats import STATS
from hflow.datasets.shards import PREPARED_SCHEMA, image_value, shard_name, split_by_key, write_shard
from hflow.datasets.training_sets import TrainingSet, write_training_set
from hflow.foundation.code_fingerprint import code_fingerprint
from hflow.foundation.errors import HflowError
from hflow.foundation.hashes import fingerprint
from hflow.foundation.labels import IGNORE, train_id_table
from hflow.foundation.params import DataParams, DomainParams, PrepareParams
from hflow.foundation.progress import progress, say
from hflow.foundation.publishing import publish
from hflow.foundation.work_folder import Finished, WorkFolder

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
    # Both are scanned before hours are spent on the first.
    raw = {name: _open(name, domain, data.classes) for name, domain in _domains(data)}
    for name, dataset in raw.items():
        for split, samples in dataset.splits.items():
            finished = _prepare_split(
                dataset,
                samples,
                domain=name,
                split=split,
                classes=data.classes,
                size=size,
                fit=params.fit,
                shard_size=params.shard_size,
                workers=params.workers,
                work=WorkFolder(work),
            )
            rejected = [Rejection(**r) for piece in finished for r in piece.note["rejected"]]
            _check_share(rejected, len(samples), params.max_rejected, f"{name}/{split}")
            rejections += rejected
            written = {f"{name}/{split}/{piece.note['name']}": piece for piece in finished if piece.note["rows"]}
            files |= {place: piece.path for place, piece in written.items()}
            shards[f"{name}/{split}"] = {out / place: piece.sha256 for place, piece in sorted(written.items())}
            stats[f"{name}/{split}"] = _stats(finished, len(samples), len(rejected), data.classes, dataset.labelled)
    files["rejected.parquet"] = _rejected_table(rejections)
    files[STATS] = (json.dumps(stats, indent=2) + "\n").encode()
    publish(files, out)
    for name in raw:
        write_training_set(sets / f"{name}.json", TrainingSet(name, shards[f"{name}/train"]))
    for rejection in rejections[:10]:
        say(f"rejected: {rejection.source_path}: {rejection.reason}")
    return stats


def _domains(data: DataParams) -> Iterable[tuple[str, DomainParams]]:
    return (("source", data.source), ("target", data.target))


def _open(name: str, domain: DomainParams, classes: Sequence[str]) -> RawDataset:
    dataset = open_raw(domain.root, domain.layout, train=domain.train, val=domain.val)
    known = set(dataset.raw_classes.values() if dataset.raw_classes else classes)
    if dataset.labelled and not known & set(classes):
        raise HflowError(f"data.classes names none of the classes of data.{name} ({', '.join(sorted(known))})")
    return dataset


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
    work: WorkFolder,
) -> list[Finished]:
    by_key = {sample.key: sample for sample in samples}
    raw_classes = dataset.raw_classes or dict(enumerate(classes))
    table = train_id_table(raw_classes, classes)
    settings = [code_fingerprint(prepare), dataset.read_label.__module__, dataset.labelled]
    settings += [domain, split, list(classes), sorted(raw_classes.items()), size, fit, PREPARED_SCHEMA.names]

    def prepared(sample: RawSample) -> _Prepared | Rejection:
        try:
            return _prepare_sample(dataset, sample, table, size, fit)
        except HflowError as error:
            place = (sample.image or sample.label or dataset.root).relative_to(dataset.root)
            return Rejection(domain, split, sample.key, place.as_posix(), str(error))

    def write(pool: ThreadPoolExecutor, members: Sequence[RawSample], path: Path) -> dict[str, Any]:
        results = list(pool.map(prepared, members))
        passed = [r for r in results if isinstance(r, _Prepared)]
        write_shard(path, [r.row for r in passed], PREPARED_SCHEMA)
        return {
            "name": shard_name(members[-1].key),
            "rows": len(passed),
            "pixels": sum((r.pixels for r in passed), np.zeros(256, np.int64)).tolist(),
            "rejected": [asdict(r) for r in results if isinstance(r, Rejection)],
        }

    finished = []
    showing = progress(f"prepare {domain}/{split}", len(samples), unit="samples")
    with ThreadPoolExecutor(workers) as pool, showing as advance:
        for keys in split_by_key(by_key, shard_size):
            members = [by_key[key] for key in keys]
            mark = fingerprint([settings, [_stamp(sample, dataset.root) for sample in members]])
            finished.append(work.obtain(mark, functools.partial(write, pool, members)))
            advance(len(members))
    return finished


@dataclass(frozen=True)
class _Prepared:
    row: dict[str, Any]
    pixels: np.ndarray  # (256,): how many pixels have each train id


def _prepare_sample(
    dataset: RawDataset,
    sample: RawSample,
    table: np.ndarray,
    size: tuple[int, int] | None,
    fit: Literal["crop", "stretch"],
) -> _Prepared:
    if sample.image is None:
        raise HflowError("label without image")
    try:
        content = sample.image.read_bytes()
    except OSError as error:
        raise HflowError(f"can't be read: {error.strerror}") from None
    image = open_rgb(content)
    if image.getcolors(1) is not None:
        raise HflowError("is of one colour")
    ids = _read_label(dataset, sample, image.size) if dataset.labelled else None
    image = fit_image(image, size, fit)
    row: dict[str, Any] = {
        "key": sample.key,
        "image": image_value(encode_png(image), f"{sample.key}.png"),
        "label": None,
        "label_train_ids": None,
        "width": image.width,
        "height": image.height,
        "source_path": sample.image.relative_to(dataset.root).as_posix(),
        "source_sha256": sha256(content).hexdigest(),
    }
    pixels = np.zeros(256, np.int64)
    if ids is not None:
        ids = np.asarray(fit_image(Image.fromarray(ids), size, fit, nearest=True))
        train_ids = table[ids]  # (H, W)
        row["label"] = image_value(encode_png(ids), f"{sample.key}_labelIds.png")
        row["label_train_ids"] = image_value(encode_png(train_ids), f"{sample.key}_labelTrainIds.png")
        pixels = np.bincount(train_ids.ravel(), minlength=256)
    return _Prepared(row, pixels)


def _read_label(dataset: RawDataset, sample: RawSample, size: tuple[int, int]) -> np.ndarray:
    if sample.label is None:
        raise HflowError("label missing")
    try:
        ids = dataset.read_label(sample.label)
    except HflowError as error:
        raise HflowError(f"label {sample.label.relative_to(dataset.root).as_posix()}: {error}") from None
    if ids.shape != (size[1], size[0]):
        raise HflowError(f"label is {ids.shape[1]}x{ids.shape[0]}, the image {size[0]}x{size[1]}: they must be equal")
    return ids


def _stamp(sample: RawSample, root: Path) -> list[Any]:
    """What a file is known by without reading it: its name, size and time of change."""
    stamp: list[Any] = [sample.key]
    for path in (sample.image, sample.label):
        status = path.stat() if path else None
        stamp.append([str(path.relative_to(root)), status.st_size, status.st_mtime_ns] if path and status else None)
    return stamp


def _check_share(rejected: Sequence[Rejection], given: int, allowed: float, where: str) -> None:
    if len(rejected) > allowed * given:
        first = "; ".join(f"{r.source_path}: {r.reason}" for r in rejected[:3])
        raise HflowError(
            f"{len(rejected)} of {given} samples of {where} are at fault, more than prepare.max_rejected ({allowed}) "
            f"allows: mend or remove them, or raise it. First: {first}"
        )
    if given and len(rejected) == given:
        raise HflowError(f"all {given} samples of {where} are at fault. First: {rejected[0].reason}")


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


def _rejected_table(rejections: Sequence[Rejection]) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist([asdict(r) for r in rejections], schema=REJECTED_SCHEMA), buffer)
    return buffer.getvalue()
