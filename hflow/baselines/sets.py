"""The stage baselines: every prepared frame recoloured by simple means, training sets to hold translation against."""

import platform
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import torch

from hflow.baselines.enhancement import clahe, dark_channel, gamma
from hflow.baselines.recolouring import fda, gpa, histogram, reinhard
from hflow.baselines.styles import Styles
from hflow.datasets.images import decode_rgb, encode_png
from hflow.datasets.shard_records import shard_hashes
from hflow.datasets.shards import (
    TRANSLATED_SCHEMA,
    image_value,
    read_rows,
    read_table,
    shard_files,
    write_shard,
)
from hflow.datasets.tensors import to_tensor
from hflow.datasets.training_sets import TrainingSet, replacing_sets, set_sha256
from hflow.foundation.ahead import map_ahead
from hflow.foundation.atomic_folders import publish
from hflow.foundation.code_fingerprint import code_fingerprint
from hflow.foundation.devices import machine_marks
from hflow.foundation.errors import HflowError
from hflow.foundation.finished_work import Finished, WorkFolder
from hflow.foundation.hashes import fingerprint
from hflow.foundation.params import BASELINES, BaselinesParams, StyleParams
from hflow.foundation.progress import progress
from hflow.metrics.ssim_psnr import ssim
from hflow.translation.chosen_style import RANDOM

__all__ = ["make_baselines"]


Recolour = Callable[[np.ndarray, np.ndarray], np.ndarray]


def make_baselines(
    names: Sequence[str],
    params: BaselinesParams,
    *,
    style: StyleParams,
    chosen: str = RANDOM,
    prepared: Path,
    out: Path,
    sets: Path,
    work: Path,
) -> dict[str, dict[str, float]]:
    """Recolour every prepared frame of the source, one shard a shard, once for each name.

    A frame's style is the image whose code translation takes for it where its style bank is of the same target images.

    Args:
        names: of `BASELINES`; may be empty.
        params: the section of params.yaml.
        style: of the choice of styles, as in the section translate.
        chosen: as `translate.style`.
        prepared: the folder that prepare wrote.
        out: the folder that gets NAME/{train,val}/shard-*.parquet, with the columns of translated shards.
        sets: the folder of training sets; gets NAME.json for every baseline, an empty set for one that isn't named.
        work: where finished shards are kept, so that an interrupted run goes on.

    Returns:
        By name: the number of frames and their mean SSIM to the source.

    Raises:
        HflowError: there is nothing prepared, or a shard is damaged.
    """
    plan = [(split, path) for split in ("train", "val") for path in shard_files(prepared / "source" / split)]
    targets = shard_files(prepared / "target" / "train")
    if names and not (plan and targets):
        raise HflowError(f"{prepared} has no frames or no target images: run `hflow prepare` first")
    methods: Mapping[str, Recolour] = {
        "histogram": histogram,
        "reinhard": reinhard,
        "fda": partial(fda, beta=params.fda_beta),
        "gpa": gpa,
        "gamma": gamma,
        "clahe": clahe,
        "dark_channel": dark_channel,
    }
    store = WorkFolder(work)
    styles = Styles(style, chosen, targets if names else ())
    settings = [code_fingerprint(make_baselines), styles.settings, shard_hashes(targets)]
    settings += [*machine_marks(torch.device("cpu")), platform.machine()]
    files: dict[str, Path | bytes] = {}
    counts: dict[str, dict[str, float]] = {}
    shards: dict[str, dict[Path, str]] = {name: {} for name in BASELINES}
    total = len(names) * sum(pq.read_metadata(path).num_rows for _, path in plan)
    with ThreadPoolExecutor(params.workers) as pool, progress("baselines", total, unit="frames") as advance:
        for name in names:
            own = [*settings, name, params.fda_beta if name == "fda" else None]
            similarity: list[float] = []
            for split, path in plan:
                recolour = partial(_recolour, method=methods[name], styles=styles)
                piece = _shard(path, own, recolour, store, pool, 2 * params.workers)
                files[f"{name}/{split}/{path.name}"] = piece.path
                if split == "train":
                    shards[name][out / name / split / path.name] = piece.sha256
                similarity += read_table(piece.path, ["ssim"])["ssim"].to_pylist()
                advance(pq.read_metadata(path).num_rows)
            counts[name] = {"frames": len(similarity), "ssim": float(np.mean(similarity))}
    # DVC keeps no empty folders.
    files["README"] = (
        b"Frames recoloured by simple means, a folder for each of segment.train_on and baselines.compare.\n"
    )
    made_from = {
        "source": set_sha256(shard_hashes([path for split, path in plan if split == "train"])),
        "target": set_sha256(shard_hashes(targets)),
    }
    with replacing_sets(sets, *(TrainingSet(name, found, made_from) for name, found in shards.items())):
        publish(files, out)
    return counts


def _shard(
    path: Path,
    settings: Sequence[Any],
    recolour: Callable[[dict[str, Any]], dict[str, Any]],
    store: WorkFolder,
    pool: ThreadPoolExecutor,
    ahead: int,
) -> Finished:
    """The recoloured shard, made now where no earlier run has finished it."""
    mark = fingerprint([settings, *shard_hashes([path])])

    def make(place: Path) -> dict[str, Any]:
        write_shard(place, map_ahead(pool, recolour, read_rows(path), ahead), TRANSLATED_SCHEMA)
        return {}

    return store.obtain(mark, make)


def _recolour(row: dict[str, Any], *, method: Recolour, styles: Styles) -> dict[str, Any]:
    """The row of a prepared shard as the row of a recoloured one, its label as it was."""
    frame = decode_rgb(row["image"]["bytes"])  # (H, W, 3)
    style, name = styles(row["key"], frame)
    pixels = method(frame, style)
    content = encode_png(pixels)
    return row | {
        "image": image_value(content, f"{row['key']}.png"),
        "truth": None,  # a training set to compare with, which no one takes frames from
        "carried": None,
        "style": name,
        "image_sha256": sha256(content).hexdigest(),
        "label_sha256": row["label"] and sha256(row["label"]["bytes"]).hexdigest(),
        "ssim": ssim(to_tensor(pixels)[None], to_tensor(frame)[None]).item(),
    }
