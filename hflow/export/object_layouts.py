"""Layouts for the detection of objects: COCO with its panoptic annotations, and YOLO."""

from collections.abc import Iterable, Mapping, Sequence, Set
from pathlib import Path
from typing import Any

import yaml

from hflow.export.base import Frame
from hflow.export.instances import THINGS, Objects
from hflow.export.json_lists import JsonList, write_object

__all__ = ["coco", "coco_closing", "object_notes", "yolo", "yolo_closing"]


def coco(frame: Frame) -> dict[str, bytes]:
    """SPLIT/KEY.png, annotations/panoptic_SPLIT/KEY.png, and what is carried as KIND/SPLIT/KEY.suffix."""
    files = {f"{frame.split}/{frame.key}{frame.suffix}": frame.image}
    files[f"annotations/panoptic_{frame.split}/{frame.key}.png"] = _objects(frame).panoptic
    return files | _carried(frame)


def yolo(frame: Frame) -> dict[str, bytes]:
    """images/SPLIT/KEY.png, labels/SPLIT/KEY.txt: an object a line, and what is carried as KIND/SPLIT/KEY.suffix.

    A line has the train id, the centre and the size of its box, as shares of the frame's width and height.
    """
    width, height = _objects(frame).size
    lines = []
    for segment in _objects(frame).segments:
        left, top, w, h = segment.box
        shares = ((left + w / 2) / width, (top + h / 2) / height, w / width, h / height)
        if segment.single:
            lines.append(f"{segment.train_id} {' '.join(f'{share:.6f}' for share in shares)}\n")
    files = {f"images/{frame.split}/{frame.key}{frame.suffix}": frame.image}
    return files | {f"labels/{frame.split}/{frame.key}.txt": "".join(lines).encode()} | _carried(frame)


def object_notes(frame: Frame) -> dict[str, Any]:
    """What the annotations of the whole are made of."""
    objects = _objects(frame)
    segments = [[s.id, s.train_id, s.single, s.box, s.area, s.runs] for s in objects.segments]
    return {"size": objects.size, "segments": segments}


def coco_closing(frames: Iterable[Mapping[str, Any]], classes: Sequence[str], folder: Path) -> list[str]:
    """annotations/instances_SPLIT.json and annotations/panoptic_SPLIT.json; a category's id is its train id and 1.

    What is of a class with objects, and is not told apart, is a crowd.
    """
    things = _things(frames, classes)
    categories = [
        {"id": i + 1, "name": name, "supercategory": name, "isthing": int(i in things)}
        for i, name in enumerate(classes)
    ]
    with_objects = [category for category in categories if category["isthing"]]
    told: dict[str, _Annotations] = {}
    for frame in frames:
        split = frame["facts"]["split"]
        if split not in told:
            told[split] = _Annotations(split, things, folder)
        told[split].add(frame)
    (folder / "annotations").mkdir(exist_ok=True)
    files = []
    for split in sorted(told):
        of = told[split]
        for kind, annotations, known in (
            ("instances", of.objects, with_objects),
            ("panoptic", of.panoptic, categories),
        ):
            files.append(f"annotations/{kind}_{split}.json")
            with (folder / files[-1]).open("wb") as out:
                whole = {"images": of.images, "annotations": annotations, "categories": known}
                write_object(out, whole, indent=None)
                out.write(b"\n")
    return files


class _Annotations:
    """What is told of the images of a split."""

    def __init__(self, split: str, things: Set[int], folder: Path):
        self.images, self.objects, self.panoptic = (JsonList(folder, indent=None, depth=1) for _ in range(3))
        self._split, self._things = split, things
        self._images = self._objects = 0

    def add(self, frame: Mapping[str, Any]) -> None:
        (width, height), name = frame["size"], frame["files"][0].removeprefix(f"{self._split}/")
        self._images += 1
        self.images.add({"id": self._images, "file_name": name, "width": width, "height": height})
        told = []
        for segment, train_id, single, box, area, runs in frame["segments"]:
            crowd = int(train_id in self._things and not single)
            shape = {"category_id": train_id + 1, "bbox": list(box), "area": area, "iscrowd": crowd}
            told.append({"id": segment, **shape})
            if train_id in self._things and runs:
                self._objects += 1
                mask = {"size": [height, width], "counts": list(runs)}
                self.objects.add({"id": self._objects, "image_id": self._images, **shape, "segmentation": mask})
        file = frame["files"][1].removeprefix(f"annotations/panoptic_{self._split}/")
        self.panoptic.add({"image_id": self._images, "file_name": file, "segments_info": told})


def yolo_closing(frames: Iterable[Mapping[str, Any]], classes: Sequence[str], folder: Path) -> list[str]:
    """data.yaml, as ultralytics reads it; it wants a split val, and where there is none, takes train for it."""
    splits = {frame["facts"]["split"] for frame in frames}
    places = {name: f"images/{name if name in splits else min(splits)}" for name in ("train", "val")}
    said = yaml.safe_dump({**places, "names": dict(enumerate(classes))}, sort_keys=False)
    (folder / "data.yaml").write_bytes(said.encode())
    return ["data.yaml"]


def _things(frames: Iterable[Mapping[str, Any]], classes: Sequence[str]) -> set[int]:
    """The train ids of classes that have objects: some of Cityscapes', and any of which a frame has one."""
    seen = {train_id for frame in frames for _, train_id, single, *_ in frame["segments"] if single}
    return seen | {train_id for train_id, name in enumerate(classes) if name in THINGS}


def _objects(frame: Frame) -> Objects:
    assert frame.objects is not None
    return frame.objects


def _carried(frame: Frame) -> dict[str, bytes]:
    return {f"{kind}/{frame.split}/{frame.key}{suffix}": content for kind, (suffix, content) in frame.carried.items()}
