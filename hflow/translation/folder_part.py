"""Some images of a folder, translated: what a worker is told, and what it makes of an image."""

import functools
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import torch
from PIL import Image

from hflow.datasets.images import open_image, open_upright, opened
from hflow.datasets.keys import key_fault, printable
from hflow.datasets.manifest import MANIFEST_SCHEMA
from hflow.foundation.atomic_files import AtomicFiles
from hflow.foundation.code_fingerprint import code_fingerprint
from hflow.foundation.devices import torch_threads
from hflow.foundation.errors import HflowError
from hflow.foundation.free_memory import free_memory
from hflow.foundation.hashes import fingerprint, sha256_file
from hflow.foundation.params import StyleParams
from hflow.model.store import load_model
from hflow.translation.camera import Camera
from hflow.translation.frame_pipeline import FramePipeline
from hflow.translation.shard_task import WorkerMarks
from hflow.translation.style_choice import StyleChoice
from hflow.translation.translator import Translator

__all__ = ["JOURNAL", "FolderPart", "FolderRecipe", "FolderWorker", "translate_part_here"]

JOURNAL = "manifest.jsonl.part"
"""The rows of the manifest of what is finished, while a run lasts."""

Row = dict[str, Any]


@dataclass(frozen=True)
class FolderRecipe:
    """What every image of a folder is translated with.

    Attributes:
        frames, out: the folders.
        model, model_sha256: a model's folder, which every worker can read, and its hash.
        name: what the manifest calls the model.
        style: of the choice of a style for each image.
        camera, strength: as of `translate_folder`.
        batch_size, workers: images at once; threads that decode and encode.
        max_pixels: of an image.
        output_format, suffix: as of `translate_folder`.
        marks: of the workers.
    """

    frames: Path
    out: Path
    model: Path
    model_sha256: str
    name: str | None
    style: StyleParams
    camera: bool
    strength: float
    batch_size: int
    workers: int
    max_pixels: int
    output_format: str | None
    suffix: str
    marks: WorkerMarks

    def image_path(self, source: str, key: str) -> str:
        """Where the translated image lies in `out`."""
        if self.output_format is None:
            path = PurePosixPath(source)
            return path.with_stem(path.stem + self.suffix).as_posix()
        within = "images/" if self.labelled else ""
        return f"{within}{key}{self.suffix}.{self.output_format}"

    def label_path(self, key: str) -> str:
        """Where its label lies there."""
        return f"labels/{key}{self.suffix}.png"

    @functools.cached_property
    def labelled(self) -> bool:
        """Whether the images are those of a folder images/, beside which labels/ may lie."""
        return (self.frames / "images").is_dir()


@dataclass(frozen=True)
class FolderPart:
    """Neighbours in the folder's list, a task for a worker.

    Attributes:
        recipe: what they are translated with.
        images: path in the folder and key of each.
        done: the manifest's row of an earlier run for some of them.
    """

    recipe: FolderRecipe
    images: Sequence[tuple[str, str]]
    done: Sequence[Mapping[str, Any]]


class FolderWorker:
    """Translates one part of a folder after the other on one device."""

    def __init__(self, recipe: FolderRecipe, device: torch.device):
        self.recipe = recipe
        model, style = load_model(recipe.model), recipe.style
        translator = Translator(
            model,
            device=device,
            precision=recipe.marks.precision,
            backend=recipe.marks.backend,
            strength=recipe.strength,
        )
        camera = Camera.of(model.config) if recipe.camera else None
        self._pipeline = FramePipeline(
            translator,
            choice=StyleChoice.of(model.styles, style),
            batch_size=recipe.batch_size,
            workers=recipe.workers,
            camera=camera,
        )
        settings = [
            style.model_dump(),
            list(recipe.marks),
            camera and camera.settings,
            recipe.strength,
            recipe.batch_size,
            recipe.output_format,
        ]
        self._shared = {
            "split": "",
            "model_sha256": recipe.model_sha256,
            "seed": style.seed,
            "precision": translator.precision,
            "backend": translator.backend,
            "params_fingerprint": fingerprint(settings),
            "code_fingerprint": code_fingerprint(FolderWorker),
        }

    def translate(self, part: FolderPart, advance: Callable[[int], None]) -> list[Row]:
        """Write the translated images, and give a row of the manifest for each, in their order.

        Images of one size go through the network together; which ones, only the part says, so that an interrupted run
        comes to the same bytes. Of such a group either all are taken over from an earlier run or none.

        Raises:
            OSError: writing failed.
        """
        rows: dict[str, Row] = {}
        with torch_threads(self.recipe.marks.threads), ThreadPoolExecutor(self.recipe.workers) as pool:
            for path, key in part.images:
                fault = key_fault(key)
                if fault:
                    shown = {"key": printable(key), "source_path": printable(path)}
                    rows[path] = self._told(shown, f"name that can't be a key: {fault}")
            done = {str(row["source_path"]): row for row in part.done}
            named = [image for image in part.images if image[0] not in rows]
            found = pool.map(lambda image: self._still_there(done.get(image[0]), *image), named)
            whole = dict(zip(named, found, strict=True))
            waiting: list[Row] = []
            for number, group in enumerate(self._groups(named, whole, pool)):
                if all(whole[image] for image in group):
                    rows |= {path: {**done[path], "model": self.recipe.name} for path, _ in group}
                else:
                    waiting += [{"key": key, "source_path": path, "group": number} for path, key in group]
            advance(len(rows))
            for row in self._translated(waiting):
                rows[row["source_path"]] = row
                advance(1)
        return [rows[path] for path, _ in part.images]

    def _groups(
        self, images: Sequence[tuple[str, str]], whole: Mapping[tuple[str, str], bool], pool: ThreadPoolExecutor
    ) -> Iterator[Sequence[tuple[str, str]]]:
        """The images by size, up to a batch of them together."""
        count = self.recipe.batch_size
        if not all(whole.values()):
            found = pool.map(lambda image: _stored_size(self.recipe.frames / image[0]), images)
            sizes = dict(zip(images, found, strict=True))
            images = sorted(images, key=lambda image: sizes[image])
        else:
            sizes = dict.fromkeys(images, (0, 0))
        group: list[tuple[str, str]] = []
        for image in images:
            if group and (len(group) == count or sizes[group[0]] != sizes[image]):
                yield group
                group = []
            group.append(image)
        if group:
            yield group

    def _translated(self, waiting: Sequence[Row]) -> Iterator[Row]:
        """The manifest's rows of images, as they come out of the network; all of them are written at the end.

        Files are flushed beside the network, as many at once as have come meanwhile.
        """
        files, finished = AtomicFiles(self.recipe.out), list[Row]()

        def commit(rows: Sequence[Row]) -> None:
            files.commit()
            # One call, so that lines of several processes don't mix.
            journal.write("".join(json.dumps(row) + "\n" for row in rows).encode())

        flushing: Future[None] | None = None
        with ThreadPoolExecutor(1) as flusher, (self.recipe.out / JOURNAL).open("ab", buffering=0) as journal:
            try:
                for row, fault in self._pipeline.run(
                    ({**row, "files": files} for row in waiting), self._decode, self._encode
                ):
                    told = self._told(row, str(fault or ""))
                    finished.append(told)
                    if flushing is None or flushing.done():
                        if flushing:
                            flushing.result()
                        flushing = flusher.submit(commit, finished)
                        finished = []
                    yield told
                if flushing:
                    flushing.result()
                commit(finished)
            finally:
                flusher.shutdown()
                files.discard()

    def _decode(self, row: Row) -> np.ndarray:
        """The pixels of an image, (H, W, 3), once it and its label are seen to be whole."""
        try:
            content = (self.recipe.frames / row["source_path"]).read_bytes()
            row["source_sha256"] = sha256(content).hexdigest()
            image, orientation = open_upright(content, max_pixels=self.recipe.max_pixels)
            pixels = np.asarray(image)
            label = self._label(row["key"])
        except OSError as error:
            raise HflowError(f"can't be read: {error.strerror}") from None
        height, width = pixels.shape[:2]
        needed = self._pipeline.translator.bytes_needed(height, width)
        if needed and needed > free_memory():
            raise HflowError(
                f"is {width}x{height}, for which translating takes {needed / 1e9:.1f} GB of memory, and "
                f"{free_memory() / 1e9:.1f} GB are free"
            )
        row |= {"width": width, "height": height, "label": label, "label_sha256": _hash(label)}
        if label is not None:
            if orientation != 1:
                raise HflowError(
                    f"is turned by its EXIF orientation {orientation}, its label is not: store both upright"
                )
            try:
                with opened(label) as picture:
                    size = picture.size
                if size != (width, height):
                    raise HflowError(f"is {size[0]}x{size[1]}, the image {width}x{height}")
                open_image(label)
            except HflowError as error:
                raise HflowError(f"label {error}") from None
        return pixels

    def _encode(self, row: Row, pixels: np.ndarray) -> None:
        """Write the translated image and its label."""
        row["image_path"] = self.recipe.image_path(row["source_path"], row["key"])
        image_format = Image.registered_extensions()[PurePosixPath(row["image_path"]).suffix.lower()]
        buffer = io.BytesIO()
        # The quality that loses least, the level of PNG that writes fastest; other formats don't know them.
        Image.fromarray(pixels).save(buffer, image_format, quality=95, compress_level=1)
        row["image_sha256"] = _hash(buffer.getvalue())
        row["files"].add(self.recipe.out / row["image_path"], buffer.getvalue())
        if row["label"] is not None:
            row["label_path"] = self.recipe.label_path(row["key"])
            row["files"].add(self.recipe.out / row["label_path"], row["label"])

    def _told(self, row: Mapping[str, Any], reason: str) -> Row:
        """The row of the manifest."""
        known = {name: row[name] for name in MANIFEST_SCHEMA.names if name in row}
        mark = self._mark(row["source_sha256"], row["label_sha256"]) if not reason else None
        status = {"status": "rejected" if reason else "translated", "reason": reason, "fingerprint": mark}
        return dict.fromkeys(MANIFEST_SCHEMA.names) | self._shared | known | {"model": self.recipe.name} | status

    def _still_there(self, row: Mapping[str, Any] | None, path: str, key: str) -> bool:
        """Whether an image of an earlier run would come out the same and is still as it was written."""
        if row is None or row["status"] != "translated" or row["key"] != key:
            return False
        recipe = self.recipe
        place = recipe.image_path(path, key)
        if row["image_path"] != place:
            return False
        try:
            label = self._label(key)
            same = row["fingerprint"] == self._mark(sha256_file(recipe.frames / path), _hash(label))
            whole = sha256_file(recipe.out / place) == row["image_sha256"]
            if label is not None:
                whole = whole and sha256_file(recipe.out / recipe.label_path(key)) == row["label_sha256"]
        except OSError:
            return False
        return same and whole

    def _mark(self, source: str, label: str | None) -> str:
        return fingerprint([self._shared, source, label])

    def _label(self, key: str) -> bytes | None:
        path = self.recipe.frames / "labels" / f"{key}.png"
        return path.read_bytes() if self.recipe.labelled and path.is_file() else None


def translate_part_here(part: FolderPart, device: str) -> list[Row]:
    """Translate a part in the process this is called in, which keeps the loaded model for the next."""
    return _worker(part.recipe, device).translate(part, lambda _: None)


@functools.lru_cache(maxsize=1)
def _worker(recipe: FolderRecipe, device: str) -> FolderWorker:
    return FolderWorker(recipe, torch.device(device))


def _stored_size(path: Path) -> tuple[int, int]:
    """(width, height) as a file's header has it; (0, 0) where it can't be read, of which decoding says why."""
    try:
        with opened(path) as picture:
            return picture.size
    except (HflowError, OSError):
        return 0, 0


def _hash(content: bytes | None) -> str | None:
    return None if content is None else sha256(content).hexdigest()
