"""Translation of any folder of images, without the pipeline."""

import json
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from hflow.datasets.images import open_rgb
from hflow.datasets.raw import IMAGE_SUFFIXES
from hflow.datasets.tensors import to_pixels, to_tensor
from hflow.errors import HflowError
from hflow.files import atomic_path, code_fingerprint, fingerprint, sha256_file
from hflow.metrics.fidelity import ssim
from hflow.model.store import TrainedModel
from hflow.progress import progress, say
from hflow.translation import CODE, MANIFEST_SCHEMA, Translator, choose_style

__all__ = ["translate_folder"]

MANIFEST = "manifest.parquet"
JOURNAL = "manifest.jsonl.part"


def translate_folder(
    frames: Path, out: Path, model: TrainedModel, *, seed: int = 0, device: str = "cpu", max_rejected: float = 0.01
) -> dict[str, Any]:
    """Translate every image below `frames` to the same name below `out`, and write out/manifest.parquet.

    Images are translated one by one at their own size. What an interrupted run has finished is taken over when its
    bytes are still those that were written from the same image, model and settings.

    Args:
        frames: the folder of images.
        out: a folder that is missing, empty, or was written by this function before.
        model: the trained model.
        seed: of the choice of a style for each frame.
        device: where to translate.
        max_rejected: the share of images that may be at fault.

    Returns:
        Counts: given, translated, rejected, and the mean SSIM.

    Raises:
        HflowError: there are no images, `out` holds something else, or too many images are at fault.
    """
    images = [p for p in sorted(frames.rglob("*")) if p.suffix.lower() in IMAGE_SUFFIXES and p.is_file()]
    if not frames.is_dir() or not images:
        raise HflowError(f"{frames} has no images: name a folder of {', '.join(IMAGE_SUFFIXES)}")
    _check_out(frames, out)
    translator = Translator(model, device=device)
    settings = [code_fingerprint(*CODE, "folder_translation.py"), model.sha256, seed, translator.marks]
    done = {row["source_path"]: row for row in _finished(out)}
    rows = []
    out.mkdir(parents=True, exist_ok=True)
    with (
        (out / JOURNAL).open("a", encoding="utf-8") as journal,
        progress("translate", len(images), unit="frames") as advance,
    ):
        for path in images:
            name = path.relative_to(frames).as_posix()
            row = _taken_over(done.get(name), path, out / name, settings)
            if row is None:
                row = _translate_image(path, name, out / name, translator, seed, model.sha256, settings)
            rows.append(row)
            journal.write(json.dumps(row) + "\n")
            journal.flush()
            advance()
    with atomic_path(out / MANIFEST) as place:
        pq.write_table(pa.Table.from_pylist(rows, schema=MANIFEST_SCHEMA), place)
    (out / JOURNAL).unlink()
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
        "ssim": float(np.mean(similarity)),
    }


def _translate_image(
    path: Path, name: str, place: Path, translator: Translator, seed: int, model_sha256: str, settings: list[Any]
) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys(MANIFEST_SCHEMA.names)
    row |= {"key": str(Path(name).with_suffix("")), "source_path": name, "model_sha256": model_sha256, "seed": seed}
    try:
        content = path.read_bytes()
        pixels = np.asarray(open_rgb(content))  # (H, W, 3)
        if min(pixels.shape[:2]) < 16:
            raise HflowError(f"is {pixels.shape[1]}x{pixels.shape[0]}; the least is 16x16")
    except (HflowError, OSError) as error:
        return row | {"status": "rejected", "reason": str(error)}
    frame = to_tensor(pixels)[None]  # (1, 3, H, W)
    style = choose_style(seed, row["key"], len(translator.styles.keys))
    output = to_pixels(translator(frame, [style])[0])
    with atomic_path(place) as temporary:
        # The quality that loses least; formats that lose nothing don't know it.
        image_format = Image.registered_extensions()[path.suffix.lower()]
        Image.fromarray(output).save(temporary, image_format, quality=95)
    return row | {
        "status": "translated",
        "reason": "",
        "source_sha256": sha256(content).hexdigest(),
        "style": translator.styles.keys[style],
        "image_sha256": sha256_file(place),
        "width": pixels.shape[1],
        "height": pixels.shape[0],
        "ssim": ssim(to_tensor(output)[None], frame).item(),
        "fingerprint": fingerprint([settings, sha256(content).hexdigest()]),
    }


def _taken_over(row: dict[str, Any] | None, path: Path, place: Path, settings: list[Any]) -> dict[str, Any] | None:
    """The row of an earlier run, where it would come out the same and its file is still as it was written."""
    if row is None or row["status"] != "translated" or not place.is_file():
        return None
    same = row["fingerprint"] == fingerprint([settings, sha256_file(path)])
    return row if same and sha256_file(place) == row["image_sha256"] else None


def _finished(out: Path) -> Iterator[dict[str, Any]]:
    """Rows of earlier runs, those of an interrupted one last."""
    if (out / MANIFEST).is_file():
        yield from pq.read_table(out / MANIFEST).to_pylist()
    if (out / JOURNAL).is_file():
        for line in (out / JOURNAL).read_text(encoding="utf-8").splitlines():
            try:
                yield json.loads(line)
            except ValueError:  # the line that was being written when the run was killed
                return


def _check_out(frames: Path, out: Path) -> None:
    if out.resolve().is_relative_to(frames.resolve()):
        raise HflowError(f"{out} lies in {frames}: name an output folder elsewhere")
    if out.exists() and not out.is_dir():
        raise HflowError(f"{out} is a file: name a folder")
    known = (out / MANIFEST).exists() or (out / JOURNAL).exists()
    if out.is_dir() and not known and any(out.iterdir()):
        raise HflowError(f"{out} holds something else already: name an empty folder")
