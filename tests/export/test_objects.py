"""The layouts coco and yolo: boxes, masks and panoptic segments are those of the instances that frames carry."""

import json
from pathlib import Path

import mlcroissant
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from PIL import Image
from pycocotools.coco import COCO
from torchvision.datasets import CocoDetection

from hflow.datasets.images import encode_png
from hflow.datasets.preparation import prepare
from hflow.datasets.verification import verify
from hflow.export.instances import Objects, read_objects
from hflow.export.writing import export
from hflow.foundation.errors import HflowError
from hflow.foundation.params import DataParams, PrepareParams, TranslateParams
from hflow.model.store import load_model
from hflow.translation.dataset import translate_dataset
from tests.models import write_model
from tests.pictures import street_ids, write_cityscapes, write_gta

CAR = 26
CLASSES = ["road", "sky", "car"]


def _instances(seed: int) -> np.ndarray:
    """The car cut in three: two objects, and a strip at its right end that is told from none; 16 bits."""
    ids = street_ids(seed).astype(np.uint16)
    _, columns = np.nonzero(ids == CAR)
    left = columns.min()
    car = ids == CAR
    ids[:, left : left + 4][car[:, left : left + 4]] = CAR * 1000
    ids[:, left + 4 : left + 9][car[:, left + 4 : left + 9]] = CAR * 1000 + 1
    return ids


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three frames that carry instances, translated."""
    folder = tmp_path_factory.mktemp("objects")
    root = write_gta(folder / "gta", 3)
    (root / "instances").mkdir()
    for number in range(3):
        Image.fromarray(_instances(number)).save(root / f"instances/{number:05d}.png")
    source = {"root": root, "layout": "gta", "carry": ["instances"]}
    target = {"root": write_cityscapes(folder / "cs", [("train", 2)]), "layout": "cityscapes"}
    data = DataParams.model_validate({"source": source, "target": target, "classes": CLASSES})
    places = {"sets": folder / "sets", "work": folder / "work"}
    prepare(data, PrepareParams(size="native"), out=folder / "prepared", **places)
    translate_dataset(
        load_model(write_model(folder / "model")),
        TranslateParams(device="cpu", threads=1),
        prepared=folder / "prepared",
        out=folder / "translated",
        **places,
    )
    return folder / "translated"


def test_pycocotools_reads_each_object_with_its_mask_and_the_rest_as_a_crowd(dataset: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    export(dataset, out, layout="coco")
    assert not verify(out).faults
    coco = COCO(str(out / "annotations/instances_train.json"))
    assert coco.cats == {3: {"id": 3, "name": "car", "supercategory": "car", "isthing": 1}}
    assert len(coco.imgs) == 3
    for image in coco.imgs.values():
        instances = _instances(int(Path(image["file_name"]).stem))
        found = {
            (coco.annToMask(a).tobytes(), tuple(a["bbox"]), a["area"], a["iscrowd"])
            for a in coco.loadAnns(coco.getAnnIds(image["id"]))
        }
        wanted = set()
        for value, crowd in ((CAR * 1000, 0), (CAR * 1000 + 1, 0), (CAR, 1)):
            mask = instances == value
            y, x = np.nonzero(mask)
            box = (x.min(), y.min(), x.max() - x.min() + 1, y.max() - y.min() + 1)
            wanted.add((mask.astype(np.uint8).tobytes(), tuple(int(n) for n in box), int(mask.sum()), crowd))
        assert found == wanted
    picture, objects = CocoDetection(str(out / "train"), str(out / "annotations/instances_train.json"))[0]
    assert (picture.size, len(objects)) == ((48, 24), 3)


def test_every_labelled_pixel_is_in_one_panoptic_segment(dataset: Path, tmp_path: Path) -> None:
    export(dataset, tmp_path / "out", layout="coco")
    folder = tmp_path / "out/annotations"
    said = json.loads((folder / "panoptic_train.json").read_text())
    names = {category["id"]: (category["name"], category["isthing"]) for category in said["categories"]}
    assert names == {1: ("road", 0), 2: ("sky", 0), 3: ("car", 1)}
    for annotation in said["annotations"]:
        with Image.open(folder / "panoptic_train" / annotation["file_name"]) as image:
            colours = np.asarray(image).astype(int)
        ids = colours @ [1, 256, 65536]
        instances = _instances(int(Path(annotation["file_name"]).stem))
        told = {segment["id"]: segment for segment in annotation["segments_info"]}
        assert set(np.unique(ids)) == set(told)
        assert {number: segment["area"] for number, segment in told.items()} == {
            int(number): int(count) for number, count in zip(*np.unique(ids, return_counts=True), strict=True)
        }
        pairs = set(zip(ids.ravel().tolist(), instances.ravel().tolist(), strict=True))
        kinds = {(told[i]["category_id"], told[i]["iscrowd"], value) for i, value in pairs}
        assert kinds == {(1, 0, 7), (2, 0, 23), (3, 1, CAR), (3, 0, CAR * 1000), (3, 0, CAR * 1000 + 1)}


def test_yolo_has_a_line_an_object_and_names_its_classes(dataset: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    export(dataset, out, layout="yolo", image_format="jpeg")
    assert not verify(out).faults
    said = yaml.safe_load((out / "data.yaml").read_text())
    assert said == {"train": "images/train", "val": "images/train", "names": {0: "road", 1: "sky", 2: "car"}}
    for image in (out / "images/train").iterdir():
        instances = _instances(int(image.stem))
        lines = (out / f"labels/train/{image.stem}.txt").read_text().splitlines()
        assert len(lines) == 2
        for line, value in zip(lines, (CAR * 1000, CAR * 1000 + 1), strict=True):
            train_id, x, y, width, height = (float(word) for word in line.split())
            left, right = (round((x + side * width / 2) * 48) for side in (-1, 1))
            top, bottom = (round((y + side * height / 2) * 24) for side in (-1, 1))
            assert train_id == 2
            assert np.array_equal(np.argwhere(instances == value)[[0, -1]], [[top, left], [bottom - 1, right - 1]])


def test_ultralytics_checks_a_yolo_dataset_and_loads_its_boxes(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("YOLO_CONFIG_DIR", str(tmp_path))
    monkeypatch.setenv("YOLO_OFFLINE", "true")
    data = pytest.importorskip("ultralytics.data", exc_type=ImportError)
    utils = pytest.importorskip("ultralytics.data.utils", exc_type=ImportError)
    export(dataset, tmp_path / "out", layout="yolo")
    checked = utils.check_det_dataset(str(tmp_path / "out/data.yaml"), autodownload=False)
    loaded = data.YOLODataset(img_path=checked["train"], data=checked, imgsz=64, augment=False)
    assert [len(label["cls"]) for label in loaded.labels] == [2, 2, 2]


@pytest.mark.parametrize("layout", ["coco", "yolo"])
def test_croissant_tells_of_objects_layouts_too(dataset: Path, tmp_path: Path, layout: str) -> None:
    export(dataset, tmp_path / "out", layout=layout)
    read = mlcroissant.Dataset(str(tmp_path / "out/croissant.json"))
    assert not read.metadata.ctx.issues.errors
    assert len(list(read.records("images-records"))) == 3


def test_frames_without_instances_are_refused_by_name(dataset: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    for path in (p for p in dataset.rglob("*") if p.is_file()):
        (copy / path.relative_to(dataset)).parent.mkdir(parents=True, exist_ok=True)
        (copy / path.relative_to(dataset)).write_bytes(path.read_bytes())
    table = pq.read_table(copy / "manifest.parquet")
    rows = [row | {"carried_sha256": None} for row in table.to_pylist()]
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), copy / "manifest.parquet")
    with pytest.raises(HflowError, match=r"'00000' carries no instances.*carry: \[instances\]"):
        export(copy, tmp_path / "out", layout="coco")
    assert not (tmp_path / "out").exists()


def _read(instances: np.ndarray) -> Objects:
    label = street_ids(0)
    trained = np.select([label == 7, label == 23, label == CAR], [0, 1, 2], 255).astype(np.uint8)
    return read_objects("a/b", encode_png(Image.fromarray(instances)), encode_png(label), encode_png(trained), CLASSES)


def test_an_image_of_another_convention_is_refused_where_it_differs() -> None:
    assert len(_read(_instances(0)).segments) == 5
    with pytest.raises(HflowError, match=r"instances of 'a/b' are not as.*at \(0, 0\) they have 5, and the label 23"):
        _read(np.full((24, 48), 5, np.uint16))
    with pytest.raises(HflowError, match="are 10x24, the label is not"):
        _read(_instances(0)[:, :10])
    with pytest.raises(HflowError, match="colours, not numbers"):
        _read(np.zeros((24, 48, 3), np.uint8))


def test_runs_reach_all_edges_of_a_frame() -> None:
    label = np.full((3, 4), CAR, np.uint8)
    instances = label.astype(np.uint16)
    instances[:, 0], instances[0, 3], instances[2, 3] = CAR * 1000, CAR * 1000 + 1, CAR * 1000 + 2
    trained = np.full((3, 4), 2, np.uint8)
    found = read_objects("k", encode_png(Image.fromarray(instances)), encode_png(label), encode_png(trained), CLASSES)
    runs = {segment.id: list(segment.runs) for segment in found.segments}
    objects = {CAR * 1000: [0, 3, 9], CAR * 1000 + 1: [9, 1, 2], CAR * 1000 + 2: [11, 1]}
    assert runs == {3: [3, 6, 1, 1, 1], **objects}
