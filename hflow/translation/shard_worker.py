"""One shard, translated: the worker that does it, and what it makes of a row."""

import functools
from collections.abc import Callable, Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hflow.datasets.carried import carried_hashes
from hflow.datasets.images import decode_ids, decode_rgb, encode_png
from hflow.datasets.keys import check_key
from hflow.datasets.shard_records import shard_hashes
from hflow.datasets.shards import TRANSLATED_SCHEMA, image_value, read_rows, write_shard
from hflow.foundation.code_fingerprint import code_fingerprint
from hflow.foundation.devices import torch_threads
from hflow.foundation.errors import HflowError, PassingError
from hflow.foundation.finished_work import Finished, WorkFolder
from hflow.foundation.frame_size import MOST_PIXELS
from hflow.model.store import load_model
from hflow.segmentation.judge import load_judge
from hflow.translation.camera import Camera
from hflow.translation.class_colours import ClassColours
from hflow.translation.frame_pipeline import FramePipeline
from hflow.translation.shard_task import Recipe, ShardTask, worker_marks
from hflow.translation.style_choice import StyleChoice
from hflow.translation.translator import Translator

__all__ = [
    "ShardWorker",
    "code_marks",
    "decode_row",
    "encode_row",
    "translate_here",
]


class ShardWorker:
    """Translates one shard after the other on one device."""

    def __init__(self, recipe: Recipe, device: torch.device):
        self.recipe, self.device = recipe, device
        # Whole runs on any GPU; it is in the plan where frames are of too many sizes.
        asked = recipe.marks.backend if recipe.marks.backend == "whole" else "auto"
        marks = worker_marks(device, recipe.marks.threads, recipe.params.precision, asked)
        if marks != recipe.marks:
            raise HflowError(
                f"this worker would give other bytes than the run was planned for: it has {list(marks)}, the plan "
                f"{list(recipe.marks)} (library, device, threads; precision; backend): give all workers the same"
            )

    def translate(self, task: ShardTask, advance: Callable[[int], None]) -> Finished:
        """The translated shard: the one that is finished already, or a new one.

        The note of what is given back holds `rows`, as `rejected` a mapping of manifest columns a rejected frame, and
        how many of these are so for a fault that is `passing`: with such frames the shard counts as not done.

        Raises:
            HflowError: the shard is damaged, or is not the one that the run was planned for.
            OSError: reading or writing failed.
        """
        work = WorkFolder(self.recipe.work)
        found = work.find(task.fingerprint)
        if found:
            advance(task.rows)
            return found
        with torch_threads(self.recipe.marks.threads):
            return work.obtain(
                task.fingerprint,
                lambda place: self._write(task, place, advance),
                keep=lambda note: not note["passing"],
            )

    def _write(self, task: ShardTask, place: Path, advance: Callable[[int], None]) -> Mapping[str, Any]:
        rejected: list[dict[str, Any]] = []
        seen, passing = _stamp(task.path), 0

        def passed() -> Iterator[dict[str, Any]]:
            nonlocal passing
            for row, fault in self._pipeline.run(read_rows(task.path), decode_row, encode_row):
                advance(1)
                if fault:
                    rejected.append(_without_images(row) | {"reason": str(fault)})
                    passing += isinstance(fault, PassingError)
                else:
                    yield row

        rows = write_shard(place, passed(), TRANSLATED_SCHEMA)
        if _stamp(task.path) != seen or shard_hashes([task.path]) != [task.sha256]:
            raise HflowError(f"{task.path} was changed while it was read: let it be, and run the same command again")
        if rows + len(rejected) != task.rows:
            raise HflowError(f"{task.path} says it has {task.rows} rows and has {rows + len(rejected)}: make it again")
        return {"rows": rows, "rejected": rejected, "passing": passing}

    @functools.cached_property
    def _pipeline(self) -> FramePipeline:
        params = self.recipe.params
        model = load_model(self.recipe.model)
        return FramePipeline(
            Translator(
                model,
                device=self.device,
                precision=self.recipe.marks.precision,
                backend=self.recipe.marks.backend,
                strength=params.strength,
            ),
            choice=StyleChoice.of(model.styles, params),
            batch_size=params.batch_size,
            workers=params.workers,
            judge=None if params.judge is None else load_judge(params.judge, device=self.device),
            min_consistency=params.min_consistency,
            class_colours=ClassColours(model.config, self.recipe.classes) if params.class_colours else None,
            camera=Camera.of(model.config) if params.camera else None,
        )


def translate_here(task: ShardTask, device: str) -> Finished:
    """Translate a shard in the process this is called in, which keeps the loaded model for the next."""
    return _worker(task.recipe, device).translate(task, lambda _: None)


def code_marks() -> str:
    """The hash of the code that makes a translated shard."""
    return code_fingerprint(ShardWorker)


@functools.lru_cache(maxsize=1)
def _worker(recipe: Recipe, device: str) -> ShardWorker:
    return ShardWorker(recipe, torch.device(device))


def decode_row(row: dict[str, Any]) -> np.ndarray:
    """The frame's pixels, (H, W, 3), once the row is seen to be whole.

    Raises:
        HflowError: something is missing, can't be decoded or is of another size.
    """
    if row["key"] is None:
        raise HflowError("has no key")
    check_key(row["key"])
    if row["image"] is None or row["image"]["bytes"] is None:
        raise HflowError("has no image")
    # A small row is not to hide a large image.
    said = min((row["width"] or 0) * (row["height"] or 0), MOST_PIXELS)
    pixels = decode_rgb(row["image"]["bytes"], max_pixels=said)  # (H, W, 3)
    height, width = pixels.shape[:2]
    if (width, height) != (row["width"], row["height"]):
        raise HflowError(f"is {width}x{height}, its row says {row['width']}x{row['height']}")
    for name, decode in (("truth", decode_rgb), ("label", decode_ids), ("label_train_ids", decode_ids)):
        if row[name] is None:
            continue
        try:
            shape = decode(row[name]["bytes"], max_pixels=said).shape[:2]
        except HflowError as error:
            raise HflowError(f"{name} {error}") from None
        if shape != (height, width):
            raise HflowError(f"{name} is {shape[1]}x{shape[0]}, the image {width}x{height}")
    return pixels


def encode_row(row: dict[str, Any], pixels: np.ndarray) -> None:
    """Put the translated pixels, (H, W, 3), into the row as PNG, and the hashes of all it holds."""
    row["image"] = image_value(encode_png(pixels), f"{row['key']}.png")
    for name in ("image", "truth", "label", "label_train_ids"):
        row[f"{name}_sha256"] = row[name] and sha256(row[name]["bytes"]).hexdigest()
    row["carried_sha256"] = carried_hashes(row["carried"])


def _without_images(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if not isinstance(value, dict | list)}


def _stamp(path: Path) -> tuple[int, int, int]:
    """What is another once a file was changed, or another took its place."""
    status = path.stat()
    return status.st_ino, status.st_size, status.st_mtime_ns
