"""Pseudo-labels: what segmenters see in images where they are sure, as a dataset that says so."""

from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from hflow.datasets.images import decode_rgb, encode_png
from hflow.datasets.manifest import (
    ID2LABEL,
    MANIFEST,
    MANIFEST_SCHEMA,
    PSEUDO_LABELLED,
    SUMS,
    id2label_bytes,
    manifest_bytes,
    sums_bytes,
)
from hflow.datasets.shard_records import shard_hashes
from hflow.datasets.shards import PREPARED_SCHEMA, count_rows, image_value, read_rows, shard_files, write_shard
from hflow.foundation.atomic_folders import publish
from hflow.foundation.code_fingerprint import code_fingerprint
from hflow.foundation.devices import machine_marks
from hflow.foundation.errors import HflowError
from hflow.foundation.finished_work import Finished, WorkFolder
from hflow.foundation.hashes import fingerprint
from hflow.foundation.labels import IGNORE
from hflow.foundation.progress import progress
from hflow.segmentation.judge import Judge
from hflow.segmentation.labelled_frames import normalised

__all__ = ["label_images", "label_shards", "pseudo_labelled_dataset", "pseudo_labelled_shards", "sure_labels"]

SHARD = "train/shard-0.parquet"


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
    path: Path,
    networks: Sequence[nn.Module],
    images: Sequence[Path],
    threshold: float,
    device: torch.device,
    title: str,
) -> dict[str, Any]:
    """Write the images of shards as one shard, with what networks are sure of as train ids.

    Args:
        path: the file to write.
        networks, threshold, device: as `sure_labels` takes them.
        title: for progress.

    Returns:
        The number of images, and the share of their pixels that got a label.
    """
    sure, count = 0.0, 0

    def rows() -> Iterator[dict[str, Any]]:
        nonlocal sure, count
        for shard in images:
            for row in read_rows(shard, PREPARED_SCHEMA.names):
                ids = sure_labels(networks, decode_rgb(row["image"]["bytes"]), threshold, device)
                sure, count = sure + float((ids != IGNORE).mean()), count + 1
                given = image_value(encode_png(ids), f"{row['key']}.png")
                yield {**row, "truth": None, "label": None, "label_train_ids": given, "carried": None}
                advance()

    with progress(title, sum(count_rows(shard, PREPARED_SCHEMA) for shard in images), unit="images") as advance:
        write_shard(path, rows(), PREPARED_SCHEMA)
    return {"images": count, "labelled": sure / max(1, count)}


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
    """Write what one segmenter sees in the images of shards as a dataset, as one step; stopped, it begins again.

    Args:
        judge: the segmenter, on `device`.
        out: the folder to write.
        by: what the manifest calls the segmenter.
        threshold: as `sure_labels` takes it.
        work: where the finished shard is kept.

    Returns:
        The number of images, and the share of their pixels that got a label.

    Raises:
        HflowError: there are no images, or a shard is damaged.
    """
    if not images:
        raise HflowError("there are no prepared images to label: run `hflow prepare` first")
    code = code_fingerprint(label_shards)
    settings = fingerprint([threshold, *machine_marks(device)])
    mark = fingerprint([code, judge.sha256, settings, *shard_hashes(images)])
    labels = WorkFolder(work).obtain(
        mark,
        lambda path: label_images(path, [judge.network], images, threshold, device, "label images"),
    )
    publish(
        pseudo_labelled_dataset(labels, judge.classes, model=by, teachers=judge.sha256, params=settings, code=code), out
    )
    return dict(labels.note)


def pseudo_labelled_shards(folder: Path, images: Sequence[Path]) -> list[Path]:
    """The shards of a folder that `label_shards` wrote, in place of those of the images.

    Raises:
        HflowError: the folder is missing, or has labels of other images.
    """
    shards = shard_files(folder / "train")
    if not shards:
        raise HflowError(f"{folder} has no labelled images: `hflow label {folder}` makes them")
    ours, theirs = (
        [(row["key"], sha256(row["image"]["bytes"]).digest()) for f in files for row in read_rows(f, ["key", "image"])]
        for files in (shards, images)
    )
    if ours != theirs:
        raise HflowError(
            f"{folder} has labels of other images than are prepared: run `hflow label {folder}` again, of frames with "
            "`--of source`"
        )
    return shards


def pseudo_labelled_dataset(
    labels: Finished, classes: Sequence[str], *, model: str, teachers: str, params: str, code: str
) -> dict[str, Path | bytes]:
    """The files of a dataset, by name: the shard that `label_images` wrote, its manifest and hashes.

    Args:
        classes: the class names; a name's place is its train id.
        model: a name of what gave the labels, for the manifest.
        teachers, params, code: hashes of the networks, of how they were trained, and of the code.
    """
    rows = []
    for row in read_rows(labels.path, PREPARED_SCHEMA.names):
        known = {name: row[name] for name in MANIFEST_SCHEMA.names if name in row}
        digests = {f"{name}_sha256": sha256(row[name]["bytes"]).hexdigest() for name in ("image", "label_train_ids")}
        rows.append(
            dict.fromkeys(MANIFEST_SCHEMA.names)
            | known
            | digests
            | {"split": "train", "shard": Path(SHARD).name, "status": PSEUDO_LABELLED, "reason": "", "model": model}
            | {"model_sha256": teachers, "params_fingerprint": params, "code_fingerprint": code}
            | {"fingerprint": labels.sha256}
        )
    files: dict[str, Path | bytes] = {SHARD: labels.path, MANIFEST: manifest_bytes(rows, classes)}
    files[ID2LABEL] = id2label_bytes(classes)
    files[SUMS] = sums_bytes({SHARD: labels.sha256}, files)
    return files
