"""The stage translate: every prepared frame in the style of a target image, its label as it was.

A run is a plan: which shards, with which model and parameters, under one fingerprint. An engine translates the shards;
when all are there, they are published together with a manifest that accounts for every frame.
"""

import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from hflow.datasets.manifest import MANIFEST, MANIFEST_SCHEMA, SUMS, manifest_bytes, sums_bytes
from hflow.datasets.shards import PREPARED_SCHEMA, count_rows, read_table, shard_files
from hflow.datasets.training_sets import TrainingSet, read_training_set, write_training_set
from hflow.foundation.errors import HflowError
from hflow.foundation.files import Finished, exclusive, fingerprint, publish, remove_leftovers, sha256_file, writable
from hflow.foundation.params import TranslateParams
from hflow.foundation.progress import progress, say
from hflow.model.store import TrainedModel, model_files
from hflow.segmentation.judge import load_judge
from hflow.translation.engines import Engine, ShardRunner, open_engine, translate_shards
from hflow.translation.shard import TRANSLATED_SCHEMA, Recipe, ShardTask, code_marks
from hflow.translation.translator import Translator

__all__ = [
    "MANIFEST_SCHEMA",
    "TRANSLATED_SCHEMA",
    "Plan",
    "Translator",
    "plan_translation",
    "publish_translation",
    "translate_dataset",
]

SPLITS = ("train", "val")
CHANGE_NO_BYTE = {"model", "judge", "device", "workers", "engine", "devices", "threads", "scheduler", "max_rejected"}
"""Parameters that say where a run goes on, or that are in its fingerprint by their content."""


@dataclass(frozen=True)
class Plan:
    """What a run translates, and with what.

    Attributes:
        recipe: the model, the parameters and what of a worker can change a float.
        tasks: the shards, in order.
        params_fingerprint, code_fingerprint: of the parameters that can change a byte; of the code.
    """

    recipe: Recipe
    tasks: tuple[ShardTask, ...]
    params_fingerprint: str
    code_fingerprint: str

    @property
    def fingerprint(self) -> str:
        """Of the whole result."""
        return fingerprint([task.fingerprint for task in self.tasks])

    @property
    def frames(self) -> int:
        """How many frames the shards hold."""
        return sum(task.rows for task in self.tasks)


def translate_dataset(
    model: TrainedModel,
    params: TranslateParams,
    *,
    prepared: Path,
    out: Path,
    sets: Path,
    work: Path,
    run: ShardRunner = translate_shards,
) -> dict[str, Any]:
    """Translate every prepared frame of the source, one shard a shard.

    Killed at any moment and started again, it goes on behind the last finished shard, to the same bytes.

    Args:
        model: the trained model.
        params: the section of params.yaml.
        prepared: the folder that prepare wrote.
        out: the folder that gets {train,val}/shard-*.parquet, manifest.parquet and SHA256SUMS.
        sets: the folder of training sets; gets translated.json and translated+target.json.
        work: where finished shards are kept, so that an interrupted run goes on.
        run: has the engine translate the shards.

    Returns:
        Counts: given, translated, rejected, and the mean SSIM.

    Raises:
        HflowError: there is nothing prepared, a shard is damaged, another run writes `out`, the disk is full, or too
            many frames are at fault.
    """
    with exclusive(out), writable(out), open_engine(params) as engine:
        remove_leftovers(out)
        plan = plan_translation(model, params, engine, prepared=prepared, work=work)
        with exclusive(work / plan.fingerprint), progress("translate", plan.frames, unit="frames") as advance:
            for task in plan.tasks:
                remove_leftovers(work / task.fingerprint)
            finished = run(engine, plan.recipe, plan.tasks, advance)
        return publish_translation(plan, finished, prepared=prepared, out=out, sets=sets)


def plan_translation(
    model: TrainedModel, params: TranslateParams, engine: Engine, *, prepared: Path, work: Path
) -> Plan:
    """Read and hash the prepared shards, and put down what they are translated with.

    Raises:
        HflowError: there is nothing prepared, a shard is damaged, or the work folder can't be written.
    """
    shards = [(split, path.resolve()) for split in SPLITS for path in shard_files(prepared / "source" / split)]
    if not shards:
        raise HflowError(f"{prepared / 'source'} has no shards: run `hflow prepare` first")
    judge = None if params.judge is None else load_judge(params.judge)
    settings = params.model_dump(mode="json", exclude=CHANGE_NO_BYTE)
    settings |= {"judge": judge and [judge.sha256, list(judge.classes)], "marks": list(engine.marks)}
    params_mark, code_mark = fingerprint(settings), code_marks()
    work = work.resolve()
    recipe = Recipe(_keep_model(model, work), model.sha256, params, engine.marks, engine.threads, work)

    def task(shard: tuple[str, Path]) -> ShardTask:
        split, path = shard
        rows, digest = count_rows(path, PREPARED_SCHEMA), sha256_file(path)
        return ShardTask(split, path, digest, rows, fingerprint([code_mark, model.sha256, params_mark, digest]))

    with ThreadPoolExecutor(params.workers) as pool:
        plan = Plan(recipe, tuple(pool.map(task, shards)), params_mark, code_mark)
    marks = plan.recipe.marks
    say(
        f"translating {plan.frames} frames in {len(plan.tasks)} shards, {engine.slots} at a time ({params.engine}), "
        f"{marks.precision}, backend {marks.backend}"
    )
    return plan


def publish_translation(
    plan: Plan, finished: Mapping[str, Finished], *, prepared: Path, out: Path, sets: Path
) -> dict[str, Any]:
    """Make `out` hold the finished shards and their manifest, as one step, once every frame is accounted for.

    Returns:
        Counts: given, translated, rejected, and the mean SSIM.

    Raises:
        HflowError: frames are missing or are there twice, or too many are at fault.
    """
    pieces = [(task, finished[task.fingerprint]) for task in plan.tasks]
    stats = json.loads((prepared / "stats.json").read_text(encoding="utf-8"))
    rows = _manifest_rows(plan, pieces, prepared)
    given = sum(stats[f"source/{split}"]["given"] for split in SPLITS if f"source/{split}" in stats)
    if len(rows) != given or len({(row["split"], row["key"]) for row in rows}) != given:
        raise HflowError(
            f"{given} frames were given and {len(rows)} are accounted for: {prepared} is not whole, prepare it again"
        )
    _check_share([piece for _, piece in pieces], plan)
    files: dict[str, Path | bytes] = {
        f"{task.split}/{task.path.name}": piece.path for task, piece in pieces if piece.note["rows"]
    }
    sums = {f"{task.split}/{task.path.name}": piece.sha256 for task, piece in pieces if piece.note["rows"]}
    files[MANIFEST] = manifest_bytes(rows, stats["classes"])
    files[SUMS] = sums_bytes(sums, files)
    publish(files, out)
    shards = {out / name: digest for name, digest in sums.items() if name.startswith("train/")}
    target = read_training_set(sets / "target.json").shards
    write_training_set(sets / "translated.json", TrainingSet("translated", shards))
    write_training_set(sets / "translated+target.json", TrainingSet("translated+target", {**shards, **target}))
    statuses = [row["status"] for row in rows]
    similarity = [row["ssim"] for row in rows if row["status"] == "translated"]
    return {
        "given": given,
        "translated": statuses.count("translated"),
        "rejected": statuses.count("rejected"),
        "ssim": float(np.mean(similarity)),
    }


def _keep_model(model: TrainedModel, work: Path) -> Path:
    """A copy of the model for the workers, so that a training that ends meanwhile changes nothing under their hands."""
    folder = work / "models" / model.sha256
    if not folder.is_dir():
        publish(dict(model_files(model.network, model.styles, model.config)), folder)
    return folder


def _manifest_rows(plan: Plan, pieces: Sequence[tuple[ShardTask, Finished]], prepared: Path) -> list[dict[str, Any]]:
    """A row for every frame given: what was translated, and what was rejected here or by prepare."""
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
    columns = [name for name in MANIFEST_SCHEMA.names if name in TRANSLATED_SCHEMA.names]
    rows: list[dict[str, Any]] = []
    for task, piece in pieces:
        where = {"split": task.split, "shard": task.path.name, "fingerprint": task.fingerprint} | shared
        translated = read_table(piece.path, columns).to_pylist()
        rows += [row | where | {"status": "translated", "reason": ""} for row in translated]
        rows += [row | where | {"shard": None, "status": "rejected"} for row in piece.note["rejected"]]
    for rejected in pq.read_table(prepared / "rejected.parquet").to_pylist():
        if rejected.pop("domain") == "source":
            rows.append(rejected | shared | {"status": "rejected"})
    rows.sort(key=lambda row: (row["split"], row["key"]))
    return rows


def _check_share(pieces: Sequence[Finished], plan: Plan) -> None:
    """Frames that the judge rejects are not at fault: their share is what min_consistency asks for."""
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
    if len(rejected) == plan.frames:
        raise HflowError(f"all {plan.frames} frames are rejected. {first}")
