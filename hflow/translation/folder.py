"""Translation of any folder of images, without the pipeline; labels are carried along."""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import torch

from hflow.datasets.manifest import MANIFEST, ManifestWriter
from hflow.foundation.ahead import map_ahead
from hflow.foundation.atomic_files import atomic_path, flush_file_system, writable
from hflow.foundation.atomic_folders import publish
from hflow.foundation.errors import HflowError
from hflow.foundation.frame_size import MOST_PIXELS
from hflow.foundation.locks import exclusive
from hflow.foundation.params import StyleParams, TranslateParams
from hflow.foundation.progress import progress, say
from hflow.foundation.stores import Store
from hflow.model.store import TrainedModel, model_files
from hflow.translation.camera import Camera
from hflow.translation.engines.base import Advance
from hflow.translation.engines.device_processes import DeviceProcesses
from hflow.translation.engines.opening import devices_of
from hflow.translation.engines.running import tried_again
from hflow.translation.folder_files import FolderFiles
from hflow.translation.folder_images import FinishedImages, find_images
from hflow.translation.folder_part import JOURNAL, FolderPart, FolderRecipe, FolderWorker, translate_part_here
from hflow.translation.shard_task import worker_marks
from hflow.translation.style_choice import StyleChoice
from hflow.translation.translator import uncompiled

__all__ = ["OutputFormat", "translate_folder"]

OutputFormat = Literal["png", "jpg", "webp", "bmp", "tif"]

IMAGES_A_PART = 256

Rows = list[dict[str, Any]]
Engine = Callable[[Iterator[FolderPart], Advance], Iterator[tuple[FolderPart, Rows]]]


def translate_folder(
    frames: Path | Store,
    out: Path | Store,
    model: TrainedModel,
    *,
    name: str | None = None,
    names: Path | None = None,
    style: StyleParams | None = None,
    camera: bool = False,
    strength: float = 1.0,
    device: str = "cpu",
    devices: int | Literal["all"] = "all",
    batch_size: int = 4,
    workers: int = 2,
    compiled: bool = False,
    output_format: OutputFormat | None = None,
    suffix: str = "",
    max_rejected: float = 0.01,
    max_pixels: int = MOST_PIXELS,
) -> dict[str, Any]:
    """Translate every image below `frames` to the same name below `out`, and write out/manifest.parquet.

    Where `frames` holds images/ and labels/, the images of the first are translated, and the labels of the second,
    PNG files of the same names, are copied byte for byte. Images are translated at their own size, those of one size
    together. What an interrupted run has finished is taken over when its bytes are still those that were written from
    the same image, label, model and settings.

    A folder may lie in a store: then some parts of it are here at a time, in the system's folder for temporary files,
    and the manifest is sent last. Nobody else may write there meanwhile.

    Args:
        frames: the folder of images.
        out: a folder that is missing, empty, or was written by this function before.
        model: the trained model.
        name: what the manifest calls it.
        names: a text file of the images to take, a path in `frames` a line; None takes all.
        style: of the choice of a style for each image; None is what StyleParams says by itself.
        camera: whether images get the sharpness, noise and JPEG of the model's target.
        strength: from 0, each image as it is, to 1, in its style; see `Translator`.
        device: where to translate.
        devices: processes of this machine, a device each; "all" is every GPU of one model, or one process on a CPU.
        batch_size: images of one size at once.
        workers: threads of each process that decode and encode.
        compiled: whether a GPU's network is compiled for each size of image, which pays for thousands of them.
        output_format: the ending and format of what is written; None keeps each image's.
        suffix: put behind each name, before its ending.
        max_rejected: the share of images that may be at fault.
        max_pixels: of an image; one that has more is at fault.

    Returns:
        Counts: given, translated, rejected, and the mean SSIM.

    Raises:
        HflowError: there are no images, `out` holds something else or can't be written, the model knows no
            camera where one is asked for, a style can't be chosen as `style` says, or too many images are at fault.
    """
    with TemporaryDirectory() as folder:
        files = FolderFiles(frames, out, Path(folder))
        images = find_images(frames, names, files.images())
        style = style or StyleParams()
        where = devices_of(TranslateParams(device=device, devices=devices))
        # Processes on a CPU share its cores.
        threads = max(1, torch.get_num_threads() // len(where)) if where[0].type == "cpu" else None
        marks = worker_marks(where[0], threads, "auto", "auto" if compiled else uncompiled(where[0]))
        choice = StyleChoice.of(model.styles, style)
        for _, key in images:
            choice.drawn_for(key)
        if camera:
            Camera.of(model.config)
        with exclusive(files.out), writable(files.out):
            files.out.mkdir(parents=True, exist_ok=True)
            for left in files.out.rglob(".*.tmp"):
                left.unlink()
            publish(dict(model_files(model.network, model.styles, model.config)), Path(folder) / "model")
            recipe = FolderRecipe(
                frames=files.frames.absolute(),
                out=files.out.absolute(),
                model=Path(folder) / "model",
                model_sha256=model.sha256,
                name=name,
                style=style,
                camera=camera,
                strength=strength,
                batch_size=batch_size,
                workers=workers,
                max_pixels=max_pixels,
                output_format=output_format,
                suffix=suffix,
                marks=marks,
            )
            without = files.without_label(images)
            if without:
                say(f"{len(without)} of {len(images)} images have no label labels/NAME.png; the first: {without[0]}")
            counts = _translated(recipe, files, images, where)
    return counts.checked(out, max_rejected)


def _translated(
    recipe: FolderRecipe, files: FolderFiles, images: Sequence[tuple[str, str]], devices: Sequence[torch.device]
) -> "_Counts":
    """Have every part translated, and write the manifest."""
    files.begin()
    done = FinishedImages(files.out, JOURNAL)
    parts = (
        FolderPart(recipe, some, done.rows_of(path for path, _ in some))
        for some in (images[i : i + IMAGES_A_PART] for i in range(0, len(images), IMAGES_A_PART))
    )
    counts = _Counts()
    with (
        _engine(recipe, devices) as translate,
        progress("translate", len(images), unit="frames") as advance,
        atomic_path(files.out / MANIFEST) as place,
        ThreadPoolExecutor(1) as bringing,
        ThreadPoolExecutor(1) as sending,
    ):
        with ManifestWriter(place, None) as manifest:
            # One part is brought and one is sent while one is translated.
            translated = translate(map_ahead(bringing, files.bring, parts, 2), advance)
            for rows in map_ahead(sending, files.send, translated, 1):
                manifest.write(rows)
                counts.add(rows)
        flush_file_system(files.out)
    files.finish()
    return counts


class _Counts:
    """What becomes of the images, counted as they come."""

    def __init__(self) -> None:
        self.given = self.measured = 0
        self.similarity = 0.0
        self.rejected: list[Mapping[str, Any]] = []

    def add(self, rows: Sequence[Mapping[str, Any]]) -> None:
        known = [row["ssim"] for row in rows if row["ssim"] is not None]
        self.given += len(rows)
        self.measured += len(known)
        self.similarity += sum(known)
        self.rejected += [row for row in rows if row["status"] == "rejected"]

    def checked(self, out: Path | Store, max_rejected: float) -> dict[str, Any]:
        for row in self.rejected[:10]:
            say(f"rejected: {row['source_path']}: {row['reason']}")
        if len(self.rejected) > max_rejected * self.given:
            first = f"{self.rejected[0]['source_path']}: {self.rejected[0]['reason']}"
            raise HflowError(
                f"{len(self.rejected)} of {self.given} images are at fault (first: {first}), more than --max-rejected "
                f"({max_rejected}) allows; the others are translated, and {out}/{MANIFEST} lists all"
            )
        return {
            "given": self.given,
            "translated": self.given - len(self.rejected),
            "rejected": len(self.rejected),
            "ssim": self.similarity / self.measured if self.measured else float("nan"),
        }


@contextlib.contextmanager
def _engine(recipe: FolderRecipe, devices: Sequence[torch.device]) -> Iterator[Engine]:
    """What translates parts, and gives their rows in order: this process, or one for each of several devices."""
    if len(devices) == 1:
        worker = FolderWorker(recipe, devices[0])
        yield lambda parts, advance: ((part, worker.translate(part, advance)) for part in parts)
        return
    with contextlib.closing(DeviceProcesses(devices)) as processes:
        pool = ThreadPoolExecutor(len(devices))

        def one(part: FolderPart) -> tuple[FolderPart, Rows]:
            first = part.images[0][0]
            return part, tried_again(lambda: processes.call(translate_part_here, part), f"images from {first} on")

        def translate(parts: Iterator[FolderPart], advance: Advance) -> Iterator[tuple[FolderPart, Rows]]:
            for part, rows in map_ahead(pool, one, parts, 2 * len(devices) + 1):
                advance(len(rows))
                yield part, rows

        try:
            yield translate
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
