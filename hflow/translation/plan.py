"""What a run translates, and with what: the prepared shards as tasks, under one fingerprint.

Whatever can change a byte is in the fingerprint; what only says where a run goes on is not.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from hflow.datasets.preparation_stats import read_stats
from hflow.datasets.shard_records import read_records, shard_hashes
from hflow.datasets.shards import PREPARED_SCHEMA, SHARDS, count_rows, read_table
from hflow.foundation.atomic_folders import publish
from hflow.foundation.errors import HflowError
from hflow.foundation.finished_work import mark_used
from hflow.foundation.hashes import fingerprint
from hflow.foundation.nearby import Nearby
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

__all__ = ["CHANGE_NO_BYTE", "SPLITS", "Plan", "plan_translation"]

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
    model: TrainedModel, params: TranslateParams, marks: WorkerMarks, *, prepared: Path | Nearby, work: Path
) -> Plan:
    """Look at the prepared shards, and put down what they are translated with.

    Of those in a store, what was noted when they were written is taken as it is where their lengths agree; they are
    brought for this alone where the frames' sizes or keys are asked for, on a GPU and for `sequence`.

    Args:
        model: the trained model.
        params: the section of params.yaml.
        marks: of the workers that will translate.
        prepared: the folder that prepare wrote; of one in a store, stats.json and the shards.json are at hand.
        work: the folder for finished shards; gets a copy of the model.

    Raises:
        HflowError: there is nothing prepared, a shard is damaged, the work folder can't be written, a style can't be
            chosen as the parameters say, or the model knows no camera or no colours of these classes where they are
            asked for.
    """
    files = prepared if isinstance(prepared, Nearby) else Nearby(prepared)
    shards = [_Shard(files, split, name) for split in SPLITS for name in files.named(f"source/{split}/{SHARDS}")]
    if not shards:
        raise HflowError(f"{files.folder / 'source'} has no shards: run `hflow prepare` first")
    if marks.backend == "compiled":
        marks = _for_sizes(marks, shards)
    styled, params = chosen(model, params)
    choice = StyleChoice.of(styled.styles, params)
    judge = None if params.judge is None else load_judge(params.judge)
    settings = params.model_dump(mode="json", exclude=CHANGE_NO_BYTE)
    settings |= {"judge": judge and [judge.sha256, list(judge.classes)], "marks": list(marks)}
    classes = tuple(read_stats(files.folder)["classes"])
    settings["class_colours"] = ClassColours(model.config, classes).wanted if params.class_colours else None
    settings["camera"] = Camera.of(model.config).settings if params.camera else None
    params_mark, code_mark = fingerprint(settings), code_marks()
    if params.judge is not None:  # a worker on another machine may stand in another folder
        params = params.model_copy(update={"judge": params.judge.absolute()})
    work = work.resolve()
    recipe = Recipe(_keep_model(styled, work), model.sha256, params, marks, work, classes)

    def task(shard: _Shard) -> ShardTask:
        if params.sequence is not None:
            for key in shard.columns("key")["key"]:
                choice.drawn_for(key)
        digest, rows = shard.noted() or shard.looked_at()
        mark = fingerprint([code_mark, styled.sha256, params_mark, digest])
        return ShardTask(recipe, shard.split, shard.path, digest, rows, mark)

    with ThreadPoolExecutor(params.workers) as pool:
        return Plan(recipe, tuple(pool.map(task, shards)), params_mark, code_mark)


@dataclass(frozen=True)
class _Shard:
    """A prepared shard: its split, and its name in the prepared folder."""

    files: Nearby
    split: str
    name: str

    @property
    def path(self) -> Path:
        return self.files.folder.absolute() / self.name

    def noted(self) -> tuple[str, int] | None:
        """The hash and the rows of a shard in a store, as they were noted when it was written; None if it is another.

        Of one here the schema is looked at too, which costs next to nothing.
        """
        size = self.files.size(self.name)
        record = None if size is None else read_records(self.path.parent).get(self.path.name)
        return (record.sha256, record.rows) if record and record.bytes == size else None

    def looked_at(self) -> tuple[str, int]:
        """The hash and the rows of the shard."""
        with self.files.at_hand([self.name]):
            rows = count_rows(self.path, PREPARED_SCHEMA)
            return shard_hashes([self.path])[0], rows

    def columns(self, *names: str) -> dict[str, list[Any]]:
        """Some columns of it."""
        with self.files.at_hand([self.name]):
            found: dict[str, list[Any]] = read_table(self.path, names).to_pydict()
            return found


def _for_sizes(marks: WorkerMarks, shards: Sequence[_Shard]) -> WorkerMarks:
    """The marks as they are, or uncompiled where the frames have too many sizes."""
    sizes: set[tuple[int | None, int | None]] = set()
    for shard in shards:
        table = shard.columns("width", "height")
        sizes |= set(zip(table["width"], table["height"], strict=True))
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
