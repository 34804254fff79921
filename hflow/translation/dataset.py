"""A prepared dataset in the style of the target, labels as they were: a plan, an engine that does it, publication."""

from pathlib import Path
from typing import Any

from hflow.foundation.atomic_files import writable
from hflow.foundation.atomic_folders import remove_leftovers
from hflow.foundation.finished_work import WorkFolder
from hflow.foundation.locks import exclusive
from hflow.foundation.params import TranslateParams
from hflow.foundation.progress import progress, say
from hflow.model.store import TrainedModel
from hflow.translation.engines.opening import open_engine
from hflow.translation.engines.running import ShardRunner, translate_shards
from hflow.translation.plan import plan_translation
from hflow.translation.publication import publish_translation

__all__ = ["translate_dataset"]


def translate_dataset(
    model: TrainedModel,
    params: TranslateParams,
    *,
    prepared: Path,
    out: Path,
    sets: Path,
    work: Path,
    run: ShardRunner = translate_shards,
    name: str = "translated",
) -> dict[str, Any]:
    """Translate every prepared frame of the source, one shard a shard.

    Killed at any moment and started again, it goes on behind the last finished shard, to the same bytes.

    Args:
        model: the trained model.
        params: the section of params.yaml.
        prepared: the folder that prepare wrote.
        out: the folder that gets {train,val}/shard-*.parquet, manifest.parquet and SHA256SUMS.
        sets: the folder of training sets; gets NAME.json.
        work: where finished shards are kept, so that an interrupted run goes on.
        run: has the engine translate the shards.
        name: of the training set.

    Returns:
        Counts: given, translated, rejected, and the mean SSIM.

    Raises:
        HflowError: there is nothing prepared, a shard is damaged, another run writes `out`, the disk is full, or too
            many frames are at fault.
    """
    with exclusive(out), writable(out), open_engine(params) as engine:
        remove_leftovers(out)
        plan = plan_translation(model, params, engine.marks, prepared=prepared, work=work)
        say(
            f"translating {plan.frames} frames in {len(plan.tasks)} shards, {engine.slots} at a time "
            f"({params.engine}), {plan.recipe.marks.precision}, backend {plan.recipe.marks.backend}"
        )
        with exclusive(work / plan.fingerprint), progress("translate", plan.frames, unit="frames") as advance:
            for task in plan.tasks:
                WorkFolder(work).remove_leftovers(task.fingerprint)
            finished = run(engine, plan.longest_first, advance)
        return publish_translation(plan, finished, prepared=prepared, out=out, sets=sets, name=name)
