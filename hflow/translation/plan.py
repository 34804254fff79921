"""What a run translates, and with what: the prepared shards as tasks, under one fingerprint.

Whatever can change a byte is in the fingerprint; what only says where a run goes on is not.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from hflow.datasets.preparation_stats import read_stats
from hflow.datasets.shard_records import shard_hashes
from hflow.datasets.shards import PREPARED_SCHEMA, count_rows, read_table, shard_files
from hflow.foundation.atomic_folders import publish
from hflow.foundation.errors import HflowError
from hflow.foundation.finished_work import mark_used
from hflow.foundation.hashes import fingerprint
from hflow.foundation.params import TranslateParams
from hflow.foundation.progress import say
from hflow.model.compiled_transfer import MOST_SIZES
from hflow.model.store import TrainedModel, model_files
from hflow.segmentation.judge import load_judge
from hflow.translation.camera import Camera
from hflow.translation.chosen_style import chosen
from hflow.translation.class_colours import ClassColours
from hflow.translation.shard_task import Recipe, ShardTask, WorkerMarks
from hflow.translation.shard_worker import code_marks
from hflow.translation.style_choice import StyleChoice

__all__ = ["CHANGE_NO_BYTE", "Plan", "plan_translation"]

SPLITS = ("train", "val")
CHANGE_NO_BYTE = {
    *("model", "judge", "device", "workers", "engine", "devices", "threads", "scheduler", "cluster"),
    *("max_rejected", "reject", "styles"),
}
"""Parameters that say where a run goes on or what is published of it, or that are in its fingerprint by their content.
Further styles are further runs, of other seeds.
"""


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
    def longest_first(self) -> list[ShardTask]:
        """The shards as they are to be begun, so that several devices end together."""
        return sorted(self.tasks, key=lambda task: task.rows, reverse=True)

    @property
    def frames(self) -> int:
        """How many frames the shards hold."""
        return sum(task.rows for task in self.tasks)


def plan_translation(
    model: TrainedModel, params: TranslateParams, marks: WorkerMarks, *, prepared: Path, work: Path
) -> Plan:
    """Look at the prepared shards, and put down what they are translated with.

    Args:
        model: the trained model.
        params: the section of params.yaml.
        marks: of the workers that will translate.
        prepared: the folder that prepare wrote.
        work: the folder for finished shards; gets a copy of the model.

    Raises:
        HflowError: there is nothing prepared, a shard is damaged, the work folder can't be written, a style can't be
            chosen as the parameters say, or the model knows no camera or no colours of these classes where they are
            asked for.
    """
    shards = [(split, path.absolute()) for split in SPLITS for path in shard_files(prepared / "source" / split)]
    if not shards:
        raise HflowError(f"{prepared / 'source'} has no shards: run `hflow prepare` first")
    if marks.backend == "compiled":
        marks = _for_sizes(marks, [path for _, path in shards])
    styled, params = chosen(model, params)
    choice = StyleChoice.of(styled.styles, params)
    judge = None if params.judge is None else load_judge(params.judge)
    settings = params.model_dump(mode="json", exclude=CHANGE_NO_BYTE)
    settings |= {"judge": judge and [judge.sha256, list(judge.classes)], "marks": list(marks)}
    classes = tuple(read_stats(prepared)["classes"])
    settings["class_colours"] = ClassColours(model.config, classes).wanted if params.class_colours else None
    settings["camera"] = Camera.of(model.config).settings if params.camera else None
    params_mark, code_mark = fingerprint(settings), code_marks()
    if params.judge is not None:  # a worker on another machine may stand in another folder
        params = params.model_copy(update={"judge": params.judge.absolute()})
    work = work.resolve()
    recipe = Recipe(_keep_model(styled, work), model.sha256, params, marks, work, classes)

    files = [path for _, path in shards]
    digests = dict(zip(files, shard_hashes(files), strict=True))

    def task(shard: tuple[str, Path]) -> ShardTask:
        split, path = shard
        rows, digest = count_rows(path, PREPARED_SCHEMA), digests[path]
        if params.sequence is not None:
            for key in read_table(path, ["key"])["key"].to_pylist():
                choice.drawn_for(key)
        return ShardTask(
            recipe, split, path, digest, rows, fingerprint([code_mark, styled.sha256, params_mark, digest])
        )

    with ThreadPoolExecutor(params.workers) as pool:
        return Plan(recipe, tuple(pool.map(task, shards)), params_mark, code_mark)


def _for_sizes(marks: WorkerMarks, shards: Sequence[Path]) -> WorkerMarks:
    """The marks as they are, or uncompiled where the frames have too many sizes."""
    sizes: set[tuple[int | None, int | None]] = set()
    for path in shards:
        table = read_table(path, ["width", "height"])
        sizes |= set(zip(table["width"].to_pylist(), table["height"].to_pylist(), strict=True))
    if len(sizes) <= MOST_SIZES:
        return marks
    say(f"the frames have {len(sizes)} sizes, so translation runs uncompiled: prepare.size makes them one")
    return marks._replace(backend="whole")


def _keep_model(model: TrainedModel, work: Path) -> Path:
    """A copy of the model for the workers, so that a training that ends meanwhile changes nothing under their hands."""
    files = model_files(model.network, model.styles, model.config)
    # By all of its files: the camera and the colours of classes, which no model's hash holds, are read from them.
    folder = work / "models" / fingerprint({name: sha256(content).hexdigest() for name, content in files.items()})
    if folder.is_dir():
        mark_used(folder)
    else:
        publish(dict(files), folder)
    return folder
