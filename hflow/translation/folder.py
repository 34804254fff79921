"""Translation of any folder of images, without the pipeline; labels are carried along."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from hflow.datasets.images import open_image, open_upright, opened
from hflow.datasets.keys import key_fault, printable
from hflow.datasets.listing import IMAGE_SUFFIXES, list_images
from hflow.datasets.manifest import MANIFEST, MANIFEST_SCHEMA, SUMS, manifest_bytes, read_manifest
from hflow.foundation.atomic_files import atomic_path, writable
from hflow.foundation.code_fingerprint import code_fingerprint
from hflow.foundation.errors import HflowError
from hflow.foundation.frame_size import MOST_PIXELS
from hflow.foundation.free_memory import free_memory
from hflow.foundation.hashes import fingerprint, sha256_file
from hflow.foundation.locks import exclusive
from hflow.foundation.params import StyleParams
from hflow.foundation.progress import progress, say
from hflow.model.store import TrainedModel
from hflow.translation.camera import Camera
from hflow.translation.frame_pipeline import FramePipeline
from hflow.translation.shard_task import worker_marks
from hflow.translation.style_choice import StyleChoice
from hflow.translation.translator import Translator, uncompiled

__all__ = ["translate_folder"]

JOURNAL = "manifest.jsonl.part"
WORKERS = 2


def translate_folder(
    frames: Path,
    out: Path,
    model: TrainedModel,
    *,
    name: str | None = None,
    style: StyleParams | None = None,
    camera: bool = False,
    strength: float = 1.0,
    device: str = "cpu",
    max_rejected: float = 0.01,
    max_pixels: int = MOST_PIXELS,
) -> dict[str, Any]:
    """Translate every image below `frames` to the same name below `out`, and write out/manifest.parquet.

    Where `frames` holds images/ and labels/, the images of the first are translated, and the labels of the second,
    PNG files of the same names, are copied byte for byte. Images are translated one by one at their own size. What an
    interrupted run has finished is taken over when its bytes are still those that were written from the same image,
    label, model and settings.

    Args:
        frames: the folder of images.
        out: a folder that is missing, empty, or was written by this function before.
        model: the trained model.
        name: what the manifest calls it.
        style: of the choice of a style for each image; None is what StyleParams says by itself.
        camera: whether images get the sharpness, noise and JPEG of the model's target.
        strength: from 0, each image's own style, to 1, that of its style image.
        device: where to translate.
        max_rejected: the share of images that may be at fault.
        max_pixels: of an image; one that has more is at fault.

    Returns:
        Counts: given, translated, rejected, and the mean SSIM.

    Raises:
        HflowError: there are no images, `out` holds something else or can't be written, the model knows no
            camera where one is asked for, a style can't be chosen as `style` says, or too many images are at fault.
    """
    given = _find(frames)
    _check_out(frames, out)
    with exclusive(out), writable(out):
        out.mkdir(parents=True, exist_ok=True)
        for left in out.rglob(".*.tmp"):
            left.unlink()
        job = _Job(frames, out, model, name, style or StyleParams(), camera, strength, torch.device(device), max_pixels)
        for key in given.values():
            job.pipeline.choice.drawn_for(key)
        job.say_labels(given)
        done = {row["source_path"]: row for row in _finished(out)}
        rows: dict[str, dict[str, Any]] = {}
        with (
            (out / JOURNAL).open("a", encoding="utf-8") as journal,
            progress("translate", len(given), unit="frames") as advance,
        ):
            for path, key in given.items():
                fault = key_fault(key)
                if fault:
                    named = {"key": printable(key), "source_path": printable(path)}
                    rows[path] = job.told(named, f"name that can't be a key: {fault}")
                    advance()
                elif job.still_there(done.get(path), path):
                    rows[path] = done[path] | {"model": job.name}
                    advance()
            for row, reason in job.pipeline.run(
                ({"key": key, "source_path": path} for path, key in given.items() if path not in rows),
                job.decode,
                job.encode,
            ):
                rows[row["source_path"]] = job.told(row, reason)
                journal.write(json.dumps(rows[row["source_path"]]) + "\n")
                journal.flush()
                advance()
        with atomic_path(out / MANIFEST) as place:
            place.write_bytes(manifest_bytes([rows[path] for path in given], None))
        (out / JOURNAL).unlink()
    return _counts(list(rows.values()), out, max_rejected)


class _Job:
    """What is done with each image."""

    def __init__(
        self,
        frames: Path,
        out: Path,
        model: TrainedModel,
        name: str | None,
        style: StyleParams,
        camera: bool,
        strength: float,
        device: torch.device,
        max_pixels: int,
    ):
        self.frames, self.out, self.name, self.max_pixels = frames, out, name, max_pixels
        backend, shot_by = uncompiled(device), Camera.of(model.config) if camera else None
        translator = Translator(model, device=device, backend=backend, strength=strength)
        self.pipeline = FramePipeline(
            translator, choice=StyleChoice.of(model.styles, style), batch_size=1, workers=WORKERS, camera=shot_by
        )
        self.shared = {
            "split": "",
            "model_sha256": model.sha256,
            "seed": style.seed,
            "precision": translator.precision,
            "backend": translator.backend,
            "params_fingerprint": fingerprint(
                [
                    style.model_dump(),
                    worker_marks(device, None, "auto", backend),
                    shot_by and shot_by.settings,
                    strength,
                ]
            ),
            "code_fingerprint": code_fingerprint(translate_folder),
        }

    def say_labels(self, given: Mapping[str, str]) -> None:
        """Say how many images have no label, where there are labels."""
        labels = self.frames / "labels"
        if (self.frames / "images").is_dir() and labels.is_dir():
            without = [name for name, key in given.items() if not (labels / f"{key}.png").is_file()]
            if without:
                say(f"{len(without)} of {len(given)} images have no label labels/NAME.png; the first: {without[0]}")

    def decode(self, row: dict[str, Any]) -> np.ndarray:
        """The pixels of an image, (H, W, 3), once it and its label are seen to be whole."""
        try:
            content = (self.frames / row["source_path"]).read_bytes()
            row["source_sha256"] = sha256(content).hexdigest()
            image, orientation = open_upright(content, max_pixels=self.max_pixels)
            pixels = np.asarray(image)
            label = self._label(row["key"])
        except OSError as error:
            raise HflowError(f"can't be read: {error.strerror}") from None
        height, width = pixels.shape[:2]
        needed = self.pipeline.translator.bytes_needed(height, width)
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

    def encode(self, row: dict[str, Any], pixels: np.ndarray) -> None:
        """Write the translated image and its label."""
        place = self.out / row["source_path"]
        image_format = Image.registered_extensions()[place.suffix.lower()]
        with atomic_path(place) as temporary:
            # The quality that loses least, the level of PNG that writes fastest; other formats don't know them.
            Image.fromarray(pixels).save(temporary, image_format, quality=95, compress_level=1)
            row["image_sha256"] = sha256_file(temporary)
        if row["label"] is not None:
            with atomic_path(self.out / "labels" / f"{row['key']}.png") as temporary:
                temporary.write_bytes(row["label"])

    def told(self, row: dict[str, Any], reason: str) -> dict[str, Any]:
        """The row of the manifest."""
        status = "rejected" if reason else "translated"
        known = {name: row[name] for name in MANIFEST_SCHEMA.names if name in row}
        mark = self._mark(row["source_sha256"], row["label_sha256"]) if not reason else None
        return (
            dict.fromkeys(MANIFEST_SCHEMA.names)
            | self.shared
            | known
            | {
                "model": self.name,
                "status": status,
                "reason": reason,
                "fingerprint": mark,
            }
        )

    def still_there(self, row: dict[str, Any] | None, name: str) -> bool:
        """Whether an image of an earlier run would come out the same and is still as it was written."""
        if row is None or row["status"] != "translated":
            return False
        try:
            label = self._label(row["key"])
            same = row["fingerprint"] == self._mark(sha256_file(self.frames / name), _hash(label))
            whole = sha256_file(self.out / name) == row["image_sha256"]
            if label is not None:
                whole = whole and sha256_file(self.out / "labels" / f"{row['key']}.png") == row["label_sha256"]
        except OSError:
            return False
        return same and whole

    def _mark(self, source: str, label: str | None) -> str:
        return fingerprint([self.shared, source, label])

    def _label(self, key: str) -> bytes | None:
        path = self.frames / "labels" / f"{key}.png"
        return path.read_bytes() if (self.frames / "images").is_dir() and path.is_file() else None


def _hash(content: bytes | None) -> str | None:
    return None if content is None else sha256(content).hexdigest()


def _find(frames: Path) -> dict[str, str]:
    """The images' names, relative to the folder, with their keys: the names in images/ without suffix.

    Of several that differ by their suffix alone, the suffix stays.
    """
    root = frames / "images" if (frames / "images").is_dir() else frames
    images = list_images(root) if root.is_dir() else []
    if not images:
        raise HflowError(f"{frames} has no images: name a folder of {', '.join(IMAGE_SUFFIXES)}")
    keys = [path.relative_to(root).with_suffix("").as_posix() for path in images]
    count = Counter(keys)
    return {
        path.relative_to(frames).as_posix(): key if count[key] == 1 else path.relative_to(root).as_posix()
        for path, key in zip(images, keys, strict=True)
    }


def _counts(rows: list[dict[str, Any]], out: Path, max_rejected: float) -> dict[str, Any]:
    rejected = [row for row in rows if row["status"] == "rejected"]
    for row in rejected[:10]:
        say(f"rejected: {row['source_path']}: {row['reason']}")
    if len(rejected) > max_rejected * len(rows):
        first = f"{rejected[0]['source_path']}: {rejected[0]['reason']}"
        raise HflowError(
            f"{len(rejected)} of {len(rows)} images are at fault (first: {first}), more than --max-rejected "
            f"({max_rejected}) allows; the others are translated, and {out / MANIFEST} lists all"
        )
    similarity = [row["ssim"] for row in rows if row["ssim"] is not None]
    return {
        "given": len(rows),
        "translated": len(rows) - len(rejected),
        "rejected": len(rejected),
        "ssim": float(np.mean(similarity)) if similarity else float("nan"),
    }


def _finished(out: Path) -> Iterator[dict[str, Any]]:
    """Rows of earlier runs, those of an interrupted one last."""
    if (out / MANIFEST).is_file():
        yield from read_manifest(out / MANIFEST, fill=True).rows
    if (out / JOURNAL).is_file():
        for line in (out / JOURNAL).read_text(encoding="utf-8").splitlines():
            try:
                yield json.loads(line)
            except ValueError:  # the line that was being written when the run was killed
                continue


def _check_out(frames: Path, out: Path) -> None:
    if out.resolve().is_relative_to(frames.resolve()):
        raise HflowError(f"{out} lies in {frames}: name an output folder elsewhere")
    if out.exists() and not out.is_dir():
        raise HflowError(f"{out} is a file: name a folder")
    # A dataset of shards and an export have a manifest too, and SHA256SUMS beside it.
    known = (out / JOURNAL).exists() or ((out / MANIFEST).exists() and not (out / SUMS).exists())
    if out.is_dir() and not known and any(out.iterdir()):
        raise HflowError(f"{out} holds something else already: name an empty folder")
