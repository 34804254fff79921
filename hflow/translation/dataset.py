"""A prepared dataset in the style of the target, labels as they were: a plan, an engine that does it, publication."""

import contextlib
from pathlib import Path
from typing import Any

from hflow.datasets.preparation_stats import STATS
from hflow.datasets.shard_records import RECORDS
from hflow.foundation.atomic_files import writable
from hflow.foundation.atomic_folders import publish, remove_leftovers
from hflow.foundation.finished_work import WorkFolder
from hflow.foundation.locks import exclusive
from hflow.foundation.nearby import nearby
from hflow.foundation.params import TranslateParams
from hflow.foundation.progress import progress, say
from hflow.foundation.stores import Store
from hflow.model.store import TrainedModel
from hflow.translation.engines.opening import open_engine
from hflow.translation.engines.running import ShardRunner, translate_shards
from hflow.translation.plan import SPLITS, plan_translation
from hflow.translation.publication import REJECTED, counts_of, publish_translation
from hflow.translation.sent_shards import SentShards
from hflow.translation.shard_carrier import carried

__all__ = ["translate_dataset"]


def translate_dataset(
    model: TrainedModel,
    params: TranslateParams,
    *,
    prepared: Path | Store,
    out: Path | Store,
    sets: Path | None,
    work: Path,
    run: ShardRunner = translate_shards,
    name: str = "translated",
) -> dict[str, Any]:
    """Translate every prepared frame of the source, one shard a shard.

    Killed at any moment and started again, it goes on behind the last finished shard, to the same bytes.

    Either folder may lie in a store: then an engine of this machine translates, a few shards are here at a time, and
    the manifest is sent last. Nobody else may write there meanwhile.

    Args:
        model: the trained model.
        params: the section of params.yaml.
        prepared: the folder that prepare wrote.
        out: the folder that gets {train,val}/shard-*.parquet, manifest.parquet and SHA256SUMS.
        sets: the folder of training sets; gets NAME.json. None is no training set.
        work: where finished shards are kept, so that an interrupted run goes on; for `out` in a store, which keeps
            them itself, an empty folder.
        run: has the engine translate the shards.
        name: of the training set.

    Returns:
        Counts: given, translated, rejected, and the mean SSIM.

    Raises:
        HflowError: there is nothing prepared, a shard is damaged, another run writes `out`, the disk is full, too
            many frames are at fault, or a store holds something else or can't be reached.
    """
    notes = [STATS, REJECTED, *(f"source/{split}/{RECORDS}" for split in SPLITS)]
    with contextlib.ExitStack() as stack:
        here = work / "out" if isinstance(out, Store) else out
        stack.enter_context(exclusive(here))
        stack.enter_context(writable(here))
        engine = stack.enter_context(open_engine(params))
        files = stack.enter_context(nearby(prepared))
        stack.enter_context(files.at_hand(notes))
        remove_leftovers(here)
        plan = plan_translation(model, params, engine.marks, prepared=files, work=work)
        sent = SentShards(out, work / "sent") if isinstance(out, Store) else None
        if sent:
            there = sent.already(plan.tasks)
            if there:
                return counts_of(there)
            sent.begin(plan.tasks)
        say(
            f"translating {plan.frames} frames in {len(plan.tasks)} shards, {engine.slots} at a time "
            f"({params.engine}), {plan.recipe.marks.precision}, backend {plan.recipe.marks.backend}"
        )
        if sent or isinstance(prepared, Store):
            engine = stack.enter_context(carried(engine, files, sent))
        with exclusive(work / plan.fingerprint), progress("translate", plan.frames, unit="frames") as advance:
            for task in plan.tasks:
                WorkFolder(work).remove_leftovers(task.fingerprint)
            finished = run(engine, plan.longest_first, advance)
        put = sent.publish if sent else publish
        return publish_translation(plan, finished, prepared=files.folder, out=here, sets=sets, name=name, put=put)
