"""Any set of images by its path: shards of hflow, or a folder of image files that another tool wrote."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from hflow.datasets.images import decode_ids, decode_rgb, encode_png, open_rgb
from hflow.datasets.listing import IMAGE_SUFFIXES, list_images
from hflow.datasets.manifest import MANIFEST
from hflow.datasets.shards import PREPARED_SCHEMA, SHARDS, ShardSet, image_value, read_table, shard_files, write_shard
from hflow.datasets.training_sets import TrainingSet
from hflow.foundation.errors import HflowError
from hflow.foundation.finished_work import WorkFolder
from hflow.foundation.hashes import fingerprint, sha256_file
from hflow.foundation.nearby import nearby
from hflow.foundation.progress import say
from hflow.foundation.stores import Store

__all__ = ["Frame", "ImageSet", "brought", "check_partners", "fitted", "labelled_set", "match_keys", "open_images"]

ROWS_A_SHARD = 256


@dataclass(frozen=True)
class Frame:
    """An image, uint8 (H, W, 3), its key, its train ids, uint8 (H, W), where it has labels, and what it should become,
    of its shape, where that is known and was asked for."""

    key: str
    pixels: np.ndarray
    label: np.ndarray | None
    truth: np.ndarray | None = None


@dataclass(frozen=True)
class ImageSet:
    """The images of a set, decoded when they are asked for.

    Attributes:
        path: as it was given; of a set in a store, its address there.
        keys: of the images, in order; a key is a file's name below the folder, without the suffix.
        shards: the files that hold them; none for a folder of images.
        load: the frame of this number.
    """

    path: Path | Store
    keys: Sequence[str]
    shards: Sequence[Path]
    load: Callable[[int], Frame]

    def __len__(self) -> int:
        return len(self.keys)

    def __iter__(self) -> Iterator[Frame]:
        return (self.load(number) for number in range(len(self)))


def open_images(path: Path, split: str = "train", *, suffix: str = "", truth: bool = False) -> ImageSet:
    """Open a set.

    Args:
        path: a folder with shards in it or in its subfolder `split`, such as data/translated or data/prepared/source;
            or a folder of images, in it or in its subfolder images/, at any depth.
        split: which subfolder of shards is meant.
        suffix: of a folder of images, those whose names end in this before the dot, such as `_fake_B`; it is no part
            of their keys.
        truth: give what each image should become, too: of shards their column, of a folder with images/ the files of
            the same names in truth/.

    Raises:
        HflowError: it is no folder, or has neither.
    """
    if not path.is_dir():
        raise HflowError(f"{path} is not a folder: name a folder of shards or of images")
    shards = shard_files(path / split) or shard_files(path)
    if shards:
        return _from_shards(path, shards, truth)
    folder = path / "images" if (path / "images").is_dir() else path
    files = list_images(folder)
    if not files:
        raise HflowError(f"{path} has no shards (shard-*.parquet, or in {split}/) and no images")
    found = [p.stem for p in files]
    files = [p for p in files if p.stem.endswith(suffix)]
    if not files:
        raise HflowError(f"{path} has no image whose name ends in {suffix}: it has {', '.join(found[:3])}, ...")
    keys = [p.relative_to(folder).with_suffix("").as_posix().removesuffix(suffix) for p in files]
    truths = _truths(path / "truth") if truth and folder.name == "images" else {}

    def load(number: int) -> Frame:
        beside = truths.get(files[number].relative_to(folder).with_suffix(""))
        pixels, wanted = (None if place is None else _pixels(place) for place in (files[number], beside))
        assert pixels is not None
        if wanted is not None and wanted.shape != pixels.shape:
            raise HflowError(f"{beside} is not of the size of its image: give it that")
        return Frame(keys[number], pixels, None, wanted)

    return ImageSet(path, keys, (), load)


@contextmanager
def brought(place: Path | Store, split: str) -> Iterator[Path]:
    """The folder on this machine from which `open_images` reads a set: of a store, what it reads, until the block ends.

    Raises:
        HflowError: the store has neither shards nor images there, or can't be read.
    """
    with nearby(place) as files:
        # As open_images chooses; the manifest says who made a set.
        shards = files.named(f"{split}/{SHARDS}") or files.named(SHARDS)
        names = shards or [name for name in files.stored() if Path(name).suffix.lower() in IMAGE_SUFFIXES]
        if isinstance(place, Store) and not names:
            raise HflowError(f"{place} has no shards ({SHARDS}, or in {split}/) and no images")
        with files.at_hand([*names, MANIFEST]):
            yield files.folder


def match_keys(keys: Sequence[str], others: Sequence[str]) -> dict[str, str]:
    """Which of `others` each key belongs to: the same key, or else the only one with the same last part.

    Keys without a partner are left out.
    """
    known = set(others)
    by_name: dict[str, list[str]] = {}
    for other in others:
        by_name.setdefault(other.rpartition("/")[2], []).append(other)
    found = {}
    for key in keys:
        named = by_name.get(key.rpartition("/")[2], [])
        if key in known:
            found[key] = key
        elif len(named) == 1:
            found[key] = named[0]
    return found


def check_partners(images: ImageSet, source: ImageSet) -> None:
    """See that at most one image belongs to a source frame, and say so where none does.

    Raises:
        HflowError: several images belong to one frame, or names are those of the frames but for an ending.
    """
    belonging: dict[str, list[str]] = {}
    for key, frame in match_keys(images.keys, source.keys).items():
        belonging.setdefault(frame, []).append(key)
    twice = next((keys for keys in belonging.values() if len(keys) > 1), None)
    if twice or len(set(images.keys)) < len(images.keys):
        keys = twice or [key for key, count in Counter(images.keys).items() if count > 1]
        raise HflowError(
            f"{images.path} has several images of one source frame, such as {', '.join(keys[:3])}: name the folder of "
            "those that are meant"
        )
    if belonging:
        return
    shown = f"its keys are {', '.join(images.keys[:3])}, ..., those of the frames {', '.join(source.keys[:3])}, ..."
    names = {key.rpartition("/")[2] for key in source.keys}
    endings = Counter(ending for key in images.keys if (ending := _ending(key.rpartition("/")[2], names)))
    if endings:
        known = ", ".join(ending for ending, _ in endings.most_common(3))
        raise HflowError(
            f"{images.path} has no image of a source frame's name: {shown}; they end in {known}: name the ending that "
            f"is meant by --suffix NAME={endings.most_common(1)[0][0]}"
        )
    say(f"{images.path} has no image of a source frame's name, so it is not compared frame by frame: {shown}")


def _ending(name: str, names: set[str]) -> str | None:
    """What a name has after the longest of `names` that it begins with."""
    return next((name[end:] for end in range(len(name) - 1, 0, -1) if name[:end] in names), None)


def fitted(frame: Frame, original: Frame) -> np.ndarray:
    """The frame's pixels at the size of its original, bicubic where that is another."""
    height, width = original.pixels.shape[:2]
    if frame.pixels.shape[:2] == (height, width):
        return frame.pixels
    return np.asarray(Image.fromarray(frame.pixels).resize((width, height), Image.Resampling.BICUBIC))


def labelled_set(name: str, images: ImageSet, source: ImageSet, work: Path) -> TrainingSet | None:
    """A set as one to train a segmenter on; None where it has no labels.

    Shards are taken as they are. Images of a folder get the labels of the source frames of their keys, at the frames'
    size, and are written to shards in `work`.
    """
    if images.shards:
        # A shard's labels are in memory at a time, and the first that has some is the last that is read.
        columns = (read_table(path, ["label_train_ids"])["label_train_ids"] for path in images.shards)
        labelled = any(column.null_count < len(column) for column in columns)
        return TrainingSet(name, {path: sha256_file(path) for path in images.shards}) if labelled else None
    numbers = {key: number for number, key in enumerate(source.keys)}
    partners = match_keys(images.keys, source.keys)
    store, shards = WorkFolder(work), {}
    paired = [number for number, key in enumerate(images.keys) if key in partners]
    for first in range(0, len(paired), ROWS_A_SHARD):
        # One after the other: 256 decoded frames of 2048x1024 with their originals are 3.8 GB.
        found = (
            _labelled_row(images.load(number), source.load(numbers[partners[images.keys[number]]]))
            for number in paired[first : first + ROWS_A_SHARD]
        )
        rows = [row for row in found if row is not None]
        if not rows:
            continue
        mark = fingerprint([_hashes(row) for row in rows])

        def make(place: Path, rows: list[dict[str, Any]] = rows) -> dict[str, Any]:
            write_shard(place, rows, PREPARED_SCHEMA)
            return {}

        piece = store.obtain(mark, make)
        shards[piece.path] = piece.sha256
    return TrainingSet(name, shards) if shards else None


def _labelled_row(frame: Frame, original: Frame) -> dict[str, Any] | None:
    """A frame with the label of its original; None where that has none."""
    label = original.label
    if label is None:
        return None
    height, width = label.shape
    return dict.fromkeys(PREPARED_SCHEMA.names) | {
        "key": frame.key,
        "image": image_value(encode_png(fitted(frame, original)), f"{frame.key}.png"),
        "label_train_ids": image_value(encode_png(label), f"{frame.key}.png"),
        "width": width,
        "height": height,
    }


def _hashes(row: dict[str, Any]) -> list[str]:
    return [row["key"], *(sha256(row[name]["bytes"]).hexdigest() for name in ("image", "label_train_ids"))]


def _pixels(path: Path) -> np.ndarray:
    try:
        return np.asarray(open_rgb(path))
    except HflowError as error:
        raise HflowError(f"{path} {error}") from None


def _truths(folder: Path) -> dict[Path, Path]:
    """The files of a folder, which may be missing, by their names below it without suffix."""
    files = list_images(folder) if folder.is_dir() else []
    return {path.relative_to(folder).with_suffix(""): path for path in files}


def _from_shards(path: Path, shards: Sequence[Path], truth: bool) -> ImageSet:
    rows = ShardSet(shards, ["key", "image", "label_train_ids", *(["truth"] if truth else [])])
    keys = [key for shard in shards for key in read_table(shard, ["key"])["key"].to_pylist()]

    def load(number: int) -> Frame:
        row = rows[number]
        label, wanted = row.get("label_train_ids"), row.get("truth")
        pixels = decode_rgb(row["image"]["bytes"])
        return Frame(row["key"], pixels, label and decode_ids(label["bytes"]), wanted and decode_rgb(wanted["bytes"]))

    return ImageSet(path, keys, tuple(shards), load)
