"""How other tools want a dataset on disk: which files a frame becomes, and what belongs to the whole."""

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path, PurePosixPath
from typing import Any, TextIO

import yaml
from PIL import Image

from hflow.datasets.images import decode_ids
from hflow.datasets.layouts.carried import cityscapes_place
from hflow.datasets.listing import IMAGE_SUFFIXES
from hflow.export.base import TRUTH, Frame, FrameKey, Layout, json_bytes
from hflow.export.croissant import patterns_without
from hflow.export.json_lists import JsonList, write_object
from hflow.export.object_layouts import coco, coco_closing, object_notes, yolo, yolo_closing
from hflow.foundation.labels import CITYSCAPES

__all__ = ["LAYOUTS"]

TRAIN_IDS = "_labelTrainIds.png"
"""By which DAFormer and its successors tell a label of train ids from the label of ids beside it."""

OFFICIAL_NAME = re.compile(r"(?P<city>[^_/]+)/(?P=city)_\d{6}_\d{6}")


def _gta(frame: Frame) -> dict[str, bytes]:
    """images/NAME.png, labels/NAME.png (ids with the official colours as palette), labels/NAME_labelTrainIds.png.

    What is carried lies in folders beside these: depth/NAME.png. Read as RGB a label shows the colours of Playing for
    Data, read as it is the Cityscapes ids, which is how mmsegmentation converts them.
    """
    root = "" if frame.split == "train" else f"{frame.split}/"
    files = {f"{root}images/{frame.key}{frame.suffix}": frame.image}
    if frame.label:
        files[f"{root}labels/{frame.key}.png"] = _with_palette(frame.label)
    if frame.label_train_ids:
        files[f"{root}labels/{frame.key}{TRAIN_IDS}"] = frame.label_train_ids
    return files | {f"{root}{kind}/{frame.key}{suffix}": content for kind, (suffix, content) in frame.carried.items()}


def _gta_closing(frames: Iterable[Mapping[str, Any]], _: Sequence[str], folder: Path) -> list[str]:
    """The class statistics by which DAFormer and its successors draw rare classes more often."""
    stats, by_class = JsonList(folder, indent=2), dict[str, JsonList]()
    for frame in frames:
        label = next((name for name in frame["files"] if name.endswith(TRAIN_IDS)), None)
        if frame["facts"]["split"] != "train" or label is None:
            continue
        stats.add({**frame["pixels"], "file": label})
        for train_id, count in frame["pixels"].items():
            if train_id not in by_class:
                by_class[train_id] = JsonList(folder, indent=2, depth=1)
            by_class[train_id].add((label, count))
    with (folder / "sample_class_stats.json").open("wb") as out:
        stats.write(out)
        out.write(b"\n")
    with (folder / "samples_with_class.json").open("wb") as out:
        write_object(out, dict(sorted(by_class.items(), key=lambda item: int(item[0]))), indent=2)
        out.write(b"\n")
    return ["sample_class_stats.json", "samples_with_class.json"]


def _cityscapes(frame: Frame) -> dict[str, bytes]:
    """leftImg8bit/SPLIT/NAME_leftImg8bit.png, gtFine/SPLIT/NAME_gtFine_labelIds.png, _labelTrainIds and _instanceIds.

    Where no instances are carried, none is told from another, which Cityscapes writes as the label's id itself. What is
    carried lies as `cityscapes_place` says, a truth in truth/ by its image's name.
    """
    place = f"{frame.split}/{frame.name}"
    files = {f"leftImg8bit/{place}_leftImg8bit{frame.suffix}": frame.image}
    if frame.label:
        files[f"gtFine/{place}_gtFine_labelIds.png"] = frame.label
        if "instances" not in frame.carried:
            files[f"gtFine/{place}_gtFine_instanceIds.png"] = frame.label
    if frame.label_train_ids:
        files[f"gtFine/{place}_gtFine_labelTrainIds.png"] = frame.label_train_ids
    for kind, (suffix, content) in frame.carried.items():
        folder, ending = (kind, "_leftImg8bit") if kind == TRUTH else cityscapes_place(kind)
        files[f"{folder}/{place}{ending}{suffix}"] = content
    return files


def _cityscapes_names(keys: Iterable[FrameKey]) -> Iterator[str]:
    """CITY/CITY_SEQUENCE_FRAME, two numbers of six digits, without which cityscapesscripts reads no file.

    Keys that are of this form all stay as they are; else the letters and digits of a key's first folder are the city,
    "frames" where there are none, and a city's frames are counted.
    """
    if all(OFFICIAL_NAME.fullmatch(key) for _, key in keys):
        yield from (key for _, key in keys)
        return
    counted = Counter[FrameKey]()
    for split, key in keys:
        folder = PurePosixPath(key).parts[0] if "/" in key else ""
        city = "".join(c for c in folder if c.isascii() and c.isalnum()) or "frames"
        sequence, number = divmod(counted[split, city], 10**6)
        yield f"{city}/{city}_{sequence:06d}_{number:06d}"
        counted[split, city] += 1


def _cityscapes_closing(frames: Iterable[Mapping[str, Any]], _: Sequence[str], folder: Path) -> list[str]:
    """keys.csv: which key of the manifest each image has."""
    with (folder / "keys.csv").open("w", encoding="utf-8", newline="") as table:
        writer = csv.writer(table, lineterminator="\n")
        writer.writerow(["split", "image", "key"])
        writer.writerows([frame["facts"]["split"], frame["files"][0], frame["facts"]["key"]] for frame in frames)
    return ["keys.csv"]


def _webdataset(frame: Frame) -> dict[str, bytes]:
    """KEY.png, KEY.label.png, KEY.label_train_ids.png, KEY.json, and what is carried as KEY.KIND.suffix.

    WebDataset ends a key at its name's first dot.
    """
    folder, slash, name = frame.key.rpartition("/")
    base = f"{folder}{slash}{name.replace('.', '_')}"
    files = {f"{base}{frame.suffix}": frame.image}
    if frame.label:
        files[f"{base}.label.png"] = frame.label
    if frame.label_train_ids:
        files[f"{base}.label_train_ids.png"] = frame.label_train_ids
    files |= {f"{base}.{kind}{suffix}": content for kind, (suffix, content) in frame.carried.items()}
    return files | {f"{base}.json": json_bytes(frame.facts, indent=None)}


def _imagefolder(frame: Frame) -> dict[str, bytes]:
    """SPLIT/images/KEY.png, SPLIT/labels/KEY.png, SPLIT/label_train_ids/KEY.png; metadata.jsonl joins them.

    What is carried is SPLIT/KIND/KEY.suffix.
    """
    files = {f"{frame.split}/images/{frame.key}{frame.suffix}": frame.image}
    if frame.label:
        files[f"{frame.split}/labels/{frame.key}.png"] = frame.label
    if frame.label_train_ids:
        files[f"{frame.split}/label_train_ids/{frame.key}.png"] = frame.label_train_ids
    return files | {
        f"{frame.split}/{kind}/{frame.key}{suffix}": content for kind, (suffix, content) in frame.carried.items()
    }


def _imagefolder_closing(frames: Iterable[Mapping[str, Any]], classes: Sequence[str], folder: Path) -> list[str]:
    """metadata.jsonl of each split, and what raw ids mean, as the layout `folder` reads it."""
    meaning: dict[int, str] = {}
    with ExitStack() as stack:
        lines: dict[str, TextIO] = {}
        for frame in frames:
            names = [PurePosixPath(name) for name in frame["files"]]
            place = f"{names[0].parts[0]}/metadata.jsonl"
            if place not in lines:
                (folder / place).parent.mkdir(exist_ok=True)
                lines[place] = stack.enter_context((folder / place).open("w", encoding="utf-8"))
            row = {_column(name): str(name.relative_to(name.parts[0])) for name in names}
            lines[place].write(json.dumps(row | frame["facts"]) + "\n")
            meaning |= {int(raw_id): classes[train_id] for raw_id, train_id in frame["raw_ids"].items()}
    if meaning:
        (folder / "classes.yaml").write_bytes(yaml.safe_dump(meaning).encode())
    return [*lines, *(["classes.yaml"] if meaning else [])]


def _column(name: PurePosixPath) -> str:
    """The column of metadata.jsonl for a file; what ends in `file_name` is shown as an image."""
    kind = {"images": "", "labels": "label_"}.get(name.parts[1], f"{name.parts[1]}_")
    return f"{kind}file_name" if name.suffix.lower() in IMAGE_SUFFIXES else f"{kind}file"


def _nothing(_frames: Iterable[Mapping[str, Any]], _classes: Sequence[str], _folder: Path) -> list[str]:
    return []


LAYOUTS: Mapping[str, Layout] = {
    "gta": Layout(
        _gta,
        _gta_closing,
        None,
        "as GTA5, by mmsegmentation and by DAFormer and its successors.",
        official=True,
        sets={
            "images": ("images/*", "val/images/*"),
            "labels": [p for f in ("labels", "val/labels") for p in patterns_without(TRAIN_IDS, f)],
            "label_train_ids": (f"labels/*{TRAIN_IDS}", f"val/labels/*{TRAIN_IDS}"),
        },
    ),
    "cityscapes": Layout(
        _cityscapes,
        _cityscapes_closing,
        None,
        '`torchvision.datasets.Cityscapes(ROOT, split="train", mode="fine", target_type="semantic")`',
        official=True,
        names=_cityscapes_names,
        note="The key of each image: keys.csv. Polygons and instances are there where they are carried; "
        "else instanceIds are labelIds, and no instance is told from another.",
        sets={
            "images": ("leftImg8bit/*",),
            "labels": ("gtFine/*_labelIds.png",),
            "label_train_ids": ("gtFine/*_labelTrainIds.png",),
        },
    ),
    "webdataset": Layout(
        _webdataset,
        _nothing,
        lambda split, number: f"{split}-{number:06d}.tar",
        '`webdataset.WebDataset("ROOT/train-{000000..N}.tar", shardshuffle=False).decode("pil")`',
        sets={"labels": ("*.label.png",), "label_train_ids": ("*.label_train_ids.png",)},
    ),
    "imagefolder": Layout(
        _imagefolder,
        _imagefolder_closing,
        None,
        '`datasets.load_dataset("imagefolder", data_dir=ROOT)`',
        sets={
            "images": ("*/images/*",),
            "labels": ("*/labels/*",),
            "label_train_ids": ("*/label_train_ids/*",),
        },
    ),
    "coco": Layout(
        coco,
        coco_closing,
        None,
        '`pycocotools.coco.COCO("ROOT/annotations/instances_train.json")`, images in ROOT/train',
        note="A category's id is its train id and 1. Panoptic annotations: annotations/panoptic_train.json.",
        notes=object_notes,
        objects=True,
        sets={
            "images": ("train/*", "val/*"),
            "panoptic": ("annotations/panoptic_train/*", "annotations/panoptic_val/*"),
        },
    ),
    "yolo": Layout(
        yolo,
        yolo_closing,
        None,
        "`yolo detect train data=ROOT/data.yaml`, by ultralytics",
        note="A line of a label is an object: train id, centre and size of its box.",
        notes=object_notes,
        objects=True,
        sets={"images": ("images/*",), "labels": ("labels/*",)},
    ),
}


def _with_palette(label: bytes) -> bytes:
    image = Image.fromarray(decode_ids(label), "P")
    palette = [0] * 768
    for c in CITYSCAPES:
        palette[3 * c.id : 3 * c.id + 3] = c.colour
    image.putpalette(palette)
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()
