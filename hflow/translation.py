"""The stage translate: every prepared frame in the style of a target image, its label as it was."""

import io
import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from hflow.datasets.images import decode_rgb, encode_png
from hflow.datasets.shards import (
    PREPARED_SCHEMA,
    image_value,
    read_rows,
    read_table,
    shard_files,
    shard_schema,
    write_shard,
)
from hflow.datasets.tensors import to_pixels, to_tensor
from hflow.datasets.training_sets import TrainingSet, read_training_set, write_training_set
from hflow.devices import pick_device
from hflow.errors import HflowError
from hflow.files import Finished, WorkFolder, code_fingerprint, fingerprint, publish, sha256_file
from hflow.metrics.fidelity import ssim
from hflow.model.store import TrainedModel
from hflow.params import TranslateParams
from hflow.progress import progress, say
from hflow.translator import Translator

__all__ = ["MANIFEST_SCHEMA", "TRANSLATED_SCHEMA", "Translator", "choose_style", "translate_dataset"]

CODE = ("model", "translation.py", "translator.py", "datasets/images.py", "datasets/shards.py", "metrics/fidelity.py")

TRANSLATED_SCHEMA = shard_schema(
    {
        **{f.name: "image" if pa.types.is_struct(f.type) else f.type for f in PREPARED_SCHEMA},
        "style": pa.string(),
        "image_sha256": pa.string(),
        "label_sha256": pa.string(),
        "ssim": pa.float32(),
    }
)
"""A prepared shard's columns, the style's key, hashes of the encoded image and label, and the SSIM to the source."""

MANIFEST_SCHEMA = pa.schema(
    [
        ("key", pa.string()),
        ("split", pa.string()),
        ("shard", pa.string()),
        ("status", pa.string()),
        ("reason", pa.string()),
        ("source_path", pa.string()),
        ("source_sha256", pa.string()),
        ("style", pa.string()),
        ("image_sha256", pa.string()),
        ("label_sha256", pa.string()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("ssim", pa.float32()),
        ("model_sha256", pa.string()),
        ("fingerprint", pa.string()),
        ("seed", pa.int32()),
    ]
)
"""Columns of manifest.parquet: a row for every frame that was given; `status` is translated or rejected."""


def choose_style(seed: int, key: str, count: int) -> int:
    """Which of `count` styles a frame gets: by hash of seed and key, so that it is the same whatever else there is."""
    return int.from_bytes(sha256(f"{seed}:{key}".encode()).digest()[:8]) % count


def translate_dataset(
    model: TrainedModel, params: TranslateParams, *, prepared: Path, out: Path, sets: Path, work: Path
) -> dict[str, Any]:
    """Translate every prepared frame of the source, one shard a shard.

    Args:
        model: the trained model.
        params: the section of params.yaml.
        prepared: the folder that prepare wrote.
        out: the folder that gets {train,val}/shard-*.parquet and manifest.parquet.
        sets: the folder of training sets; gets translated.json and translated+target.json.
        work: where finished shards are kept, so that an interrupted run goes on.

    Returns:
        Counts: given, translated, rejected, and the mean SSIM.

    Raises:
        HflowError: there is nothing prepared, or a shard is damaged.
    """
    plan = [(split, path) for split in ("train", "val") for path in shard_files(prepared / "source" / split)]
    if not plan:
        raise HflowError(f"{prepared / 'source'} has no shards: run `hflow prepare` first")
    translator = Translator(model, device=pick_device(params.device), precision=params.precision)
    settings = [code_fingerprint(*CODE), model.sha256, params.seed, params.batch_size]
    settings += translator.marks
    store = WorkFolder(work)
    pieces: list[tuple[str, Path, str, Finished]] = []
    total = sum(pq.read_metadata(path).num_rows for _, path in plan)
    how = f"{translator.device}, {translator.precision}, {translator.backend}"
    say(f"translating {total} frames in {len(plan)} shards on {how}")
    with ThreadPoolExecutor(params.workers) as pool, progress("translate", total, unit="frames") as advance:
        for split, path in plan:
            mark = fingerprint([settings, sha256_file(path)])
            piece = store.find(mark)
            if piece is None:
                with store.begin(mark) as (place, note):
                    rows = _translate_shard(path, translator, params, pool, advance)
                    write_shard(place, rows, TRANSLATED_SCHEMA)
                    note["rows"] = len(rows)
                piece = store.find(mark)
                assert piece is not None
            else:
                advance(piece.note["rows"])
            pieces.append((split, path, mark, piece))
    manifest = _manifest(pieces, prepared, model, params.seed)
    files: dict[str, Path | bytes] = {f"{split}/{path.name}": piece.path for split, path, _, piece in pieces}
    publish(files | {"manifest.parquet": _parquet(manifest)}, out)
    shards = {out / split / path.name: piece.sha256 for split, path, _, piece in pieces if split == "train"}
    target = read_training_set(sets / "target.json").shards
    write_training_set(sets / "translated.json", TrainingSet("translated", shards))
    write_training_set(sets / "translated+target.json", TrainingSet("translated+target", {**shards, **target}))
    return _counts(manifest)


def _translate_shard(
    path: Path, translator: Translator, params: TranslateParams, pool: ThreadPoolExecutor, advance: Callable[..., None]
) -> list[dict[str, Any]]:
    """The rows of the translated shard, in order. Decoding and encoding go on beside the network."""
    rows: list[dict[str, Any]] = []
    encoded: list[Future[bytes]] = []
    for batch in _batches(_decoded(pool, read_rows(path), 2 * params.batch_size), params.batch_size):
        frames = torch.stack([to_tensor(pixels) for _, pixels in batch])  # (B, 3, H, W)
        styles = [choose_style(params.seed, row["key"], len(translator.styles.keys)) for row, _ in batch]
        outputs = [to_pixels(image) for image in translator(frames, styles)]
        similarity = ssim(torch.stack([to_tensor(pixels) for pixels in outputs]), frames).tolist()
        for (row, _), style, pixels, value in zip(batch, styles, outputs, similarity, strict=True):
            label = row["label"]
            row["style"] = translator.styles.keys[style]
            row["label_sha256"] = label and sha256(label["bytes"]).hexdigest()
            row["ssim"] = value
            rows.append(row)
            encoded.append(pool.submit(encode_png, pixels))
        advance(len(batch))
    for row, image in zip(rows, encoded, strict=True):
        row["image"] = image_value(image.result(), f"{row['key']}.png")
        row["image_sha256"] = sha256(image.result()).hexdigest()
    return rows


def _decoded(
    pool: ThreadPoolExecutor, rows: Iterable[dict[str, Any]], ahead: int
) -> Iterator[tuple[dict[str, Any], np.ndarray]]:
    """Rows with their pixels, in order, up to `ahead` of them decoded before they are asked for."""
    waiting: deque[tuple[dict[str, Any], Future[np.ndarray]]] = deque()
    for row in rows:
        waiting.append((row, pool.submit(decode_rgb, row["image"]["bytes"])))
        if len(waiting) > ahead:
            first, pixels = waiting.popleft()
            yield first, pixels.result()
    for first, pixels in waiting:
        yield first, pixels.result()


def _batches(
    frames: Iterable[tuple[dict[str, Any], np.ndarray]], size: int
) -> Iterator[list[tuple[dict[str, Any], np.ndarray]]]:
    """Neighbours of one shape, up to `size` together."""
    batch: list[tuple[dict[str, Any], np.ndarray]] = []
    for row, pixels in frames:
        if batch and (len(batch) == size or batch[0][1].shape != pixels.shape):
            yield batch
            batch = []
        batch.append((row, pixels))
    if batch:
        yield batch


def _manifest(
    pieces: Sequence[tuple[str, Path, str, Finished]], prepared: Path, model: TrainedModel, seed: int
) -> pa.Table:
    """A row for every frame given: what was translated, and what prepare rejected."""
    shared = {"model_sha256": model.sha256, "seed": seed}
    rows: list[dict[str, Any]] = []
    for split, path, mark, piece in pieces:
        columns = [name for name in MANIFEST_SCHEMA.names if name in TRANSLATED_SCHEMA.names]
        where = {"split": split, "shard": path.name, "status": "translated", "reason": "", "fingerprint": mark}
        rows += [row | where | shared for row in read_table(piece.path, columns).to_pylist()]
    for rejected in pq.read_table(prepared / "rejected.parquet").to_pylist():
        if rejected.pop("domain") == "source":
            rows.append(rejected | {"status": "rejected"} | shared)
    stats = json.loads((prepared / "stats.json").read_text(encoding="utf-8"))
    given = sum(stats[f"source/{split}"]["given"] for split in ("train", "val") if f"source/{split}" in stats)
    if len(rows) != given:
        raise HflowError(
            f"{given} frames were given and {len(rows)} are accounted for: {prepared} is not whole, prepare it again"
        )
    rows.sort(key=lambda row: (row["split"], row["key"]))
    return pa.Table.from_pylist(rows, schema=MANIFEST_SCHEMA)


def _counts(manifest: pa.Table) -> dict[str, Any]:
    statuses, similarity = manifest["status"].to_pylist(), [v for v in manifest["ssim"].to_pylist() if v is not None]
    return {
        "given": len(statuses),
        "translated": statuses.count("translated"),
        "rejected": statuses.count("rejected"),
        "ssim": float(np.mean(similarity)),
    }


def _parquet(table: pa.Table) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    return buffer.getvalue()
