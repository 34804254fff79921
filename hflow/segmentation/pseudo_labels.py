"""Pseudo-labels: what segmenters see in images where they are sure, as a dataset that says so."""

import functools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch import nn

from hflow.datasets.images import decode_rgb, encode_png
from hflow.datasets.manifest import (
    ID2LABEL,
    MANIFEST,
    MANIFEST_COLUMNS,
    PSEUDO_LABELLED,
    SUMS,
    id2label_bytes,
    manifest_file,
    sums_bytes,
    told,
)
from hflow.datasets.shard_records import RECORDS, ShardRecord, record_bytes, shard_hashes
from hflow.datasets.shards import (
    PREPARED_SCHEMA,
    TRANSLATED_SCHEMA,
    count_rows,
    image_value,
    read_rows,
    read_table,
    shard_files,
    write_shard,
)
from hflow.foundation.atomic_folders import check_replaceable, publish
from hflow.foundation.code_fingerprint import code_fingerprint
from hflow.foundation.devices import machine_marks
from hflow.foundation.errors import HflowError
from hflow.foundation.finished_work import Finished, WorkFolder
from hflow.foundation.hashes import fingerprint, sha256_file
from hflow.foundation.json_files import read_json
from hflow.foundation.labels import IGNORE
from hflow.foundation.progress import Advance, progress
from hflow.segmentation.judge import Judge
from hflow.segmentation.labelled_frames import normalised

__all__ = [
    "IMAGES",
    "check_label_folder",
    "label_counts",
    "label_images",
    "label_shards",
    "pseudo_labelled_dataset",
    "pseudo_labelled_shards",
    "sure_labels",
]

IMAGES = "images.json"
"""Of a dataset of pseudo-labels: by the file name of each shard, the SHA-256 of the shard of images that it labels."""

SPLIT = "train"


def sure_labels(
    networks: Sequence[nn.Module], pixels: np.ndarray, threshold: float, device: torch.device
) -> np.ndarray:
    """What networks in evaluation mode see in an image, on the average of their probabilities.

    Args:
        pixels: uint8 (H, W, 3).
        threshold: the least probability; a pixel whose class has less is ignored.

    Returns:
        Train ids, uint8 (H, W).
    """
    with torch.inference_mode():
        image = normalised(pixels)[None].to(device)  # (1, 3, H, W)
        seen = torch.stack([network(image)["out"].softmax(dim=1)[0] for network in networks]).mean(0)  # (K, H, W)
        probability, ids = seen.max(dim=0)  # (H, W)
        ids[probability < threshold] = IGNORE
    return ids.to(torch.uint8).cpu().numpy()


def label_images(
    images: Sequence[Path],
    networks: Callable[[], Sequence[nn.Module]],
    threshold: float,
    device: torch.device,
    *,
    depends_on: Any,
    folder: WorkFolder,
    title: str,
) -> dict[str, Finished]:
    """Label the images of shards, each shard a piece of finished work: stopped, it goes on with the next one.

    Args:
        images: shards of one folder.
        networks: gives what `sure_labels` takes; asked once, and not where all shards are finished.
        threshold, device: as `sure_labels` takes them.
        depends_on: all that the labels follow from beside the images.
        folder: where finished shards are kept.
        title: for progress.

    Returns:
        For each shard one of the same file name and order, with columns of TRANSLATED_SCHEMA. Its note has the number
        of images, the share of their pixels that got a label as "labelled", and the hash of the images' shard as "of".

    Raises:
        HflowError: a shard is missing or damaged.
    """
    networks = functools.cache(networks)
    hashes = shard_hashes(images)
    marks = [fingerprint({"depends_on": depends_on, "images": digest}) for digest in hashes]
    found = [folder.find(mark) for mark in marks]
    rows = [
        piece.note["images"] if piece else count_rows(shard, PREPARED_SCHEMA)
        for shard, piece in zip(images, found, strict=True)
    ]
    done = sum(count for count, piece in zip(rows, found, strict=True) if piece)
    labels = {}
    with progress(title, sum(rows), done=done, unit="images") as advance:
        for shard, digest, mark, piece in zip(images, hashes, marks, found, strict=True):

            def make(path: Path, shard: Path = shard, digest: str = digest) -> dict[str, Any]:
                return _label_shard(path, networks(), shard, threshold, device, advance) | {"of": digest}

            labels[shard.name] = piece or folder.obtain(mark, make)
    return labels


def _label_shard(
    path: Path, networks: Sequence[nn.Module], images: Path, threshold: float, device: torch.device, advance: Advance
) -> dict[str, Any]:
    sure, count = 0.0, 0

    def rows() -> Iterator[dict[str, Any]]:
        nonlocal sure, count
        for row in read_rows(images, ["key", "image", "width", "height", "source_path", "source_sha256"]):
            image = row["image"]["bytes"]
            ids = sure_labels(networks, decode_rgb(image), threshold, device)
            label = encode_png(ids)
            sure, count = sure + float((ids != IGNORE).mean()), count + 1
            hashes = {"image_sha256": sha256(image), "label_train_ids_sha256": sha256(label)}
            yield (
                row
                | {"label_train_ids": image_value(label, f"{row['key']}.png")}
                | {name: digest.hexdigest() for name, digest in hashes.items()}
            )
            advance()

    write_shard(path, rows(), TRANSLATED_SCHEMA)
    return {"images": count, "labelled": sure / max(1, count)}


def label_counts(labels: Mapping[str, Finished]) -> dict[str, Any]:
    """Of what `label_images` gives: the number of images, and the share of their pixels that got a label."""
    notes = [piece.note for piece in labels.values()]
    count = sum(note["images"] for note in notes)
    sure = sum(note["images"] * note["labelled"] for note in notes)
    return {"images": count, "labelled": sure / max(1, count)}


def check_label_folder(folder: Path) -> None:
    """See that labels written to a folder would replace nothing but labels.

    Raises:
        HflowError: the folder holds something else.
    """
    check_replaceable(folder, IMAGES, [SPLIT, ID2LABEL, MANIFEST, SUMS])


def label_shards(
    judge: Judge,
    images: Sequence[Path],
    out: Path,
    *,
    by: str,
    threshold: float,
    work: Path,
    device: torch.device,
) -> dict[str, Any]:
    """Write what one segmenter sees in the images of shards as a dataset, as one step; stopped, it goes on.

    Args:
        judge: the segmenter, on `device`.
        images: shards of one folder.
        out: the folder to write; what it holds is replaced, whatever it is.
        by: what the manifest calls the segmenter.
        threshold: as `sure_labels` takes it.
        work: where finished shards are kept.

    Returns:
        The number of images, and the share of their pixels that got a label.

    Raises:
        HflowError: there are no images, or a shard is damaged.
    """
    if not images:
        raise HflowError("there are no prepared images to label: run `hflow prepare` first")
    code = code_fingerprint(label_shards)
    settings = fingerprint([threshold, *machine_marks(device)])
    labels = label_images(
        images,
        lambda: [judge.network],
        threshold,
        device,
        depends_on=[code, judge.sha256, settings],
        folder=WorkFolder(work),
        title="label images",
    )
    with pseudo_labelled_dataset(
        labels, judge.classes, work=work, model=by, teachers=judge.sha256, params=settings, code=code
    ) as files:
        publish(files, out)
    return label_counts(labels)


def pseudo_labelled_shards(folder: Path, images: Sequence[Path], classes: Sequence[str]) -> list[Path]:
    """The shards of a folder that `label_shards` wrote, in place of those of the images.

    What was noted of the images when they were labelled is held against what is noted of them now: none is read.

    Args:
        folder: that of the labels.
        images: the shards that were labelled.
        classes: the class names; a name's place is its train id.

    Raises:
        HflowError: the folder is missing, has labels of other images or ids of other classes, or does not say of which.
    """
    shards = shard_files(folder / SPLIT)
    if not shards:
        raise HflowError(f"{folder} has no labelled images: `hflow label {folder}` makes them")
    again = f"run `hflow label {folder}` again, of frames with `--of source`"
    if not (folder / IMAGES).is_file():
        raise HflowError(f"{folder} does not say of which images its labels are: remove it, and {again}")
    labelled = read_json(folder / IMAGES, made_by=f"run `hflow label {folder}`")
    prepared = dict(zip([path.name for path in images], shard_hashes(images), strict=True))
    if labelled != prepared or [path.name for path in shards] != sorted(prepared):
        raise HflowError(f"{folder} has labels of other images than are prepared: {again}")
    known = folder / ID2LABEL
    if not known.is_file() or known.read_bytes() != id2label_bytes(classes):
        raise HflowError(f"{folder} has ids of other classes than data.classes: {again}")
    return shards


@contextmanager
def pseudo_labelled_dataset(
    labels: Mapping[str, Finished],
    classes: Sequence[str],
    *,
    work: Path,
    model: str,
    teachers: str,
    params: str,
    code: str,
) -> Iterator[dict[str, Path | bytes]]:
    """The files of a dataset, by name, for `publish`: shards that `label_images` gives, their manifest and hashes.

    Args:
        classes: the class names; a name's place is its train id.
        work: a folder for the manifest until it is published.
        model: a name of what gave the labels, for the manifest.
        teachers, params, code: hashes of the networks, of how they were trained, and of the code.
    """
    shards = {f"{SPLIT}/{name}": piece for name, piece in labels.items()}
    files: dict[str, Path | bytes] = {name: piece.path for name, piece in shards.items()}
    files[f"{SPLIT}/{RECORDS}"] = record_bytes(
        {
            name: ShardRecord(piece.sha256, piece.path.stat().st_size, piece.note["images"])
            for name, piece in labels.items()
        }
    )
    of = {name: piece.note["of"] for name, piece in sorted(labels.items())}
    files[IMAGES] = (json.dumps(of, indent=2) + "\n").encode()
    files[ID2LABEL] = id2label_bytes(classes)
    same = {
        "split": SPLIT,
        "status": PSEUDO_LABELLED,
        "reason": "",
        "model": model,
        "model_sha256": teachers,
        "params_fingerprint": params,
        "code_fingerprint": code,
    }

    def tables() -> Iterator[pa.Table]:
        for name, piece in labels.items():
            yield told(read_table(piece.path, MANIFEST_COLUMNS), {**same, "shard": name, "fingerprint": piece.sha256})

    with manifest_file(work / MANIFEST, tables(), classes) as manifest:
        files[MANIFEST] = manifest
        sums = {name: piece.sha256 for name, piece in shards.items()}
        files[SUMS] = sums_bytes({**sums, MANIFEST: sha256_file(manifest)}, files)
        yield files
