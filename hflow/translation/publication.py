"""What becomes of finished shards: a dataset in one step, with a manifest that accounts for every frame."""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hflow.datasets.manifest import (
    ID2LABEL,
    MANIFEST,
    MANIFEST_COLUMNS,
    MANIFEST_SCHEMA,
    ROWS_A_GROUP,
    SUMS,
    id2label_bytes,
    manifest_file,
    sums_bytes,
    told,
)
from hflow.datasets.manifest_rows import ManifestRows, joined
from hflow.datasets.preparation_stats import given_frames, read_stats
from hflow.datasets.shards import read_table
from hflow.datasets.training_sets import TrainingSet, replacing_sets, set_sha256
from hflow.datasets.verdicts import read_verdicts
from hflow.foundation.atomic_folders import publish
from hflow.foundation.errors import HflowError
from hflow.foundation.finished_work import Finished
from hflow.foundation.hashes import sha256_file
from hflow.foundation.progress import say
from hflow.translation.left_out import without_rejected
from hflow.translation.plan import Plan
from hflow.translation.shard_task import ShardTask

__all__ = ["REJECTED", "counts_of", "publish_translation"]

REJECTED = "rejected.parquet"
"""Of a prepared dataset, the images that are not in its shards."""


def publish_translation(
    plan: Plan,
    finished: Mapping[str, Finished],
    *,
    prepared: Path,
    out: Path,
    sets: Path | None,
    name: str = "translated",
    put: Callable[[Mapping[str, Path | bytes], Path], None] = publish,
) -> dict[str, Any]:
    """Make `out` hold the finished shards and their manifest, as one step, once every frame is accounted for.

    What people reject, by the CSV that `translate.reject` names, is left out of the shards.

    Args:
        sets: the folder of training sets; gets NAME.json. None is no training set.
        put: makes `out` hold files, name to content, as one step.

    Returns:
        Counts: given, translated, rejected, and the mean SSIM.

    Raises:
        HflowError: frames are missing or are there twice, or too many are at fault; the verdicts can't
            be read.
    """
    pieces = _reviewed(plan, [(task, finished[task.fingerprint]) for task in plan.tasks])
    stats = read_stats(prepared)
    rows = _manifest_rows(plan, pieces, prepared)
    given = given_frames(stats)
    if len(rows) != given or rows.distinct("split", "key") != given:
        raise HflowError(
            f"{given} frames were given and {len(rows)} are accounted for: {prepared} is not whole, prepare it again"
        )
    _check_share([piece for _, piece in pieces], plan)
    shards = {f"{task.split}/{task.path.name}": piece for task, piece in pieces if piece.note["rows"]}
    files: dict[str, Path | bytes] = {name: piece.path for name, piece in shards.items()}
    sums = {name: piece.sha256 for name, piece in shards.items()}
    source = set_sha256(task.sha256 for task in plan.tasks if task.split == "train")
    trained_on = {out / name: digest for name, digest in sums.items() if name.startswith("train/")}
    translated = TrainingSet(name, trained_on, {"source": source, "model": plan.recipe.model_sha256})
    with manifest_file(out, rows.tables(ROWS_A_GROUP), stats["classes"]) as manifest:
        files[MANIFEST] = manifest
        files[ID2LABEL] = id2label_bytes(stats["classes"])
        files[SUMS] = sums_bytes({**sums, MANIFEST: sha256_file(manifest)}, files)
        with replacing_sets(sets, translated) if sets else contextlib.nullcontext():
            put(files, out)
    return counts_of(rows)


def counts_of(rows: ManifestRows) -> dict[str, Any]:
    """What a manifest's rows come to: given, translated, rejected, and the mean SSIM."""
    done = rows.having("status", "translated")
    return {
        "given": len(rows),
        "translated": len(done),
        "rejected": len(rows.having("status", "rejected")),
        "ssim": float(np.mean(done.column("ssim").to_numpy().astype(float))),
    }


def _reviewed(plan: Plan, pieces: Sequence[tuple[ShardTask, Finished]]) -> list[tuple[ShardTask, Finished]]:
    """The shards without the frames that people reject."""
    file = plan.recipe.params.reject
    if file is None:
        return list(pieces)
    verdicts = read_verdicts(file)
    wanted = sum(verdict.rejects for verdict in verdicts)
    kept = [without_rejected(task, piece, verdicts, file, plan.recipe.work) for task, piece in pieces]
    left_out = sum(len(piece.note.get("reviewed", ())) for _, piece in kept)
    say(f"left out: {left_out} of the {wanted} frames that {file} rejects")
    if left_out < wanted:
        say("the others are no longer there, or have another image than the person saw: review them again")
    return kept


def _manifest_rows(plan: Plan, pieces: Sequence[tuple[ShardTask, Finished]], prepared: Path) -> ManifestRows:
    """A row for every frame given: what was translated, and what was rejected here or by prepare."""
    # A rejected row may have no key.
    return ManifestRows(joined(_manifest_tables(plan, pieces, prepared))).in_order("split", "key")


def _manifest_tables(plan: Plan, pieces: Sequence[tuple[ShardTask, Finished]], prepared: Path) -> Iterator[pa.Table]:
    params = plan.recipe.params
    shared = {
        "model": params.model,
        "model_sha256": plan.recipe.model_sha256,
        "precision": plan.recipe.marks.precision,
        "backend": plan.recipe.marks.backend,
        "params_fingerprint": plan.params_fingerprint,
        "code_fingerprint": plan.code_fingerprint,
        "seed": params.seed,
    }
    for task, piece in pieces:
        where = {"split": task.split, "shard": task.path.name, "fingerprint": task.fingerprint} | shared
        yield told(read_table(piece.path, MANIFEST_COLUMNS), where | {"status": "translated", "reason": ""})
        left_out = [*piece.note["rejected"], *piece.note.get("reviewed", ())]
        if left_out:
            rows = pa.Table.from_pylist(left_out, schema=MANIFEST_SCHEMA)
            yield told(rows, where | {"shard": None, "status": "rejected"})
    rejected = read_table(prepared / REJECTED)
    yield told(rejected.filter(pc.equal(rejected["domain"], "source")), shared | {"status": "rejected"})


def _check_share(pieces: Sequence[Finished], plan: Plan) -> None:
    """Frames that the judge or a person rejects are not at fault: their share is what is asked for."""
    rejected = [row for piece in pieces for row in piece.note["rejected"]]
    faulty = [row for row in rejected if row.get("consistency") is None]
    for row in rejected[:10]:
        say(f"rejected: {row['source_path']}: {row['reason']}")
    first = f"First: {rejected[0]['source_path']}: {rejected[0]['reason']}" if rejected else ""
    if len(faulty) > plan.recipe.params.max_rejected * plan.frames:
        raise HflowError(
            f"{len(faulty)} of {plan.frames} frames are at fault, more than translate.max_rejected "
            f"({plan.recipe.params.max_rejected}) allows: prepare them again, or raise it. First: "
            f"{faulty[0]['source_path']}: {faulty[0]['reason']}"
        )
    reviewed = [row for piece in pieces for row in piece.note.get("reviewed", ())]
    if len(rejected) + len(reviewed) == plan.frames:
        raise HflowError(f"all {plan.frames} frames are rejected. {first or reviewed[0]['reason']}")
