"""How many bytes a run is to write, and whether the disk has room for them: asked before a stage begins."""

import configparser
from collections.abc import Mapping, Sequence
from pathlib import Path

from PIL import Image

from hflow.datasets.images import encode_png, fit_image
from hflow.datasets.layouts.base import RawDataset, RawSample
from hflow.datasets.manifest import MANIFEST
from hflow.datasets.preparation_stats import STATS
from hflow.datasets.samples import read_sample
from hflow.datasets.shards import shard_files
from hflow.datasets.training_sets import baselines_in
from hflow.foundation.errors import HflowError, NoRoomError
from hflow.foundation.finished_work import Finished
from hflow.foundation.free_disk import free_disk, has_reflinks
from hflow.foundation.params import Params
from hflow.foundation.project_root import project_root
from hflow.foundation.size_in_words import size_in_words
from hflow.pipeline.outputs import BASELINE_SETS, FIRST_ROUND, PREPARED, TRANSLATED, work_folder
from hflow.translation.engines.base import Advance, Engine
from hflow.translation.engines.running import ShardRunner
from hflow.translation.shard_task import ShardTask

__all__ = [
    "baselines_bytes",
    "check_room",
    "dvc_copies",
    "prepared_bytes",
    "room_fault",
    "run_bytes",
    "where_room_is",
]

MEASURED = 4
"""Samples of each domain that are encoded to see how large they get."""

DVC = Path(".dvc")
LINKS = {"hardlink", "symlink"}


def room_fault(needs: Mapping[str, int]) -> str | None:
    """Why the project's disk has no room for what stages are to write; None where it has.

    Args:
        needs: bytes by stage.
    """
    copies = 2 if dvc_copies() else 1
    needed, free = copies * sum(needs.values()), free_disk(project_root())
    if needed <= free:
        return None
    parts = ", ".join(f"{name} {size_in_words(size)}" for name, size in needs.items() if size)
    twice = "; twice that with the copies in DVC's cache, which links spare" if copies == 2 else ""
    pruned = ", `dvc gc --workspace`" if copies == 2 else ""
    return (
        f"the disk of {project_root()} has {size_in_words(free)} free, and about {size_in_words(needed)} are needed "
        f"({parts}{twice}): make room (`hflow clean --yes`{pruned}), or work on another disk"
    )


def check_room(needs: Mapping[str, int]) -> None:
    """See that the project's disk has room for what stages are to write, as `room_fault` takes it.

    Raises:
        NoRoomError: it has not.
    """
    fault = room_fault(needs)
    if fault:
        raise NoRoomError(fault)


def run_bytes(params: Params, opened: Mapping[str, RawDataset]) -> dict[str, int]:
    """About how many bytes a first run writes, by stage; a stage whose result is there counts as nothing."""
    source = _source_bytes()
    needs = {}
    if not (PREPARED / STATS).is_file():
        sizes = {name: _prepared_bytes(params, raw) for name, raw in opened.items()}
        needs["prepare"] = _left(sum(sizes.values()), "prepare")
        source = sizes.get("source", 0)
    if params.loss.target_labels == FIRST_ROUND and not FIRST_ROUND.is_dir():
        needs["first_round"] = source
    if not (TRANSLATED / MANIFEST).is_file():
        needs["translate"] = _left(params.translate.styles * source, "translate")
    if not BASELINE_SETS.is_dir():
        names = baselines_in([*params.segment.train_on, *params.baselines.compare])
        needs["baselines"] = _left(len(names) * source, "baselines")
    return needs


def prepared_bytes(params: Params, opened: Mapping[str, RawDataset]) -> int:
    """About how many bytes the stage prepare is to write, less what it keeps of earlier runs."""
    return _left(sum(_prepared_bytes(params, raw) for raw in opened.values()), "prepare")


def _prepared_bytes(params: Params, raw: RawDataset) -> int:
    """About how many bytes the prepared samples of a raw dataset have, by some of them, encoded."""
    labelled = "train" in raw.labelled
    sound = [sample for sample in raw.splits["train"] if sample.image and not sample.fault]
    few = sound[:: max(1, len(sound) // MEASURED)][:MEASURED]
    sizes = [size for sample in few if (size := _encoded_bytes(params, raw, sample, labelled=labelled))]
    return sum(map(len, raw.splits.values())) * sum(sizes) // max(1, len(sizes))


def baselines_bytes(names: Sequence[str]) -> int:
    """About how many bytes these baselines of the prepared frames have, less what is kept of earlier runs."""
    return _left(len(names) * _source_bytes(), "baselines")


def where_room_is(run: ShardRunner) -> ShardRunner:
    """What has an engine translate shards, once the disk is seen to have room for those that are not finished yet."""

    def checked(engine: Engine, tasks: Sequence[ShardTask], advance: Advance) -> dict[str, Finished]:
        check_room({"translate": _shards_bytes(tasks)})
        return run(engine, tasks, advance)

    return checked


def _shards_bytes(tasks: Sequence[ShardTask]) -> int:
    """About as many as those that they are made of."""
    return sum(task.path.stat().st_size for task in tasks if not (task.recipe.work / task.fingerprint).is_file())


def dvc_copies() -> bool:
    """Whether DVC's cache holds what is in the project once more, on the same disk."""
    root = project_root()
    if not (root / DVC).is_dir():
        return False
    config = configparser.ConfigParser(interpolation=None)
    config.read([root / DVC / "config", root / DVC / "config.local"], encoding="utf-8")
    cache = Path(config.get("cache", "dir", fallback="cache"))
    place = (root / DVC / cache).resolve()
    kinds = {kind.strip(' "') for kind in config.get("cache", "type", fallback="reflink,copy").split(",")}
    there = next(folder for folder in (place, *place.parents) if folder.exists())
    if kinds & LINKS or there.stat().st_dev != root.stat().st_dev:
        return False
    return "reflink" not in kinds or not has_reflinks(root / DVC)


def _encoded_bytes(params: Params, raw: RawDataset, sample: RawSample, *, labelled: bool) -> int:
    size, fit = params.prepare.size, params.prepare.fit
    try:
        read = read_sample(raw, sample, labelled=labelled, max_pixels=params.prepare.max_pixels)
    except HflowError:  # prepare rejects it
        return 0
    image = fit_image(read.image, None if size == "native" else size, fit)
    carried = sum(len(file["bytes"]) for file in read.carried or ())
    ids = None if read.ids is None else fit_image(Image.fromarray(read.ids), image.size, fit, nearest=True)
    labels = 0 if ids is None else 2 * len(encode_png(ids))  # as they are, and as train ids
    return len(encode_png(image)) + labels + carried


def _left(needed: int, stage: str) -> int:
    """Less the bytes of the pieces that the stage keeps, which the run may find finished."""
    return max(0, needed - sum(path.stat().st_size for path in work_folder(stage).glob("*") if path.is_file()))


def _source_bytes() -> int:
    shards = (path for split in ("train", "val") for path in shard_files(PREPARED / "source" / split))
    return sum(path.stat().st_size for path in shards)
