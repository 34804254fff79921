"""What is fuzzed. A target reads something of a stranger's: it comes through, or a line says what is wrong with it."""

import base64
import io
import json
import tempfile
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import strategies as st
from mlflow.exceptions import MlflowException
from mlflow.pyfunc import scoring_server
from PIL import Image

from hflow.datasets.images import encode_png, open_image, open_rgb, read_ids, read_size
from hflow.datasets.label_files import read_label_colours, read_red
from hflow.datasets.layouts import cityscapes, gta
from hflow.datasets.layouts.class_tables import read_class_table
from hflow.datasets.manifest import ManifestWriter, read_manifest
from hflow.datasets.shards import PREPARED_SCHEMA, ShardSet, count_rows, image_value, read_rows, read_table, write_shard
from hflow.datasets.training_sets import read_training_set
from hflow.foundation.errors import HflowError
from hflow.foundation.labels import ids_to_colours
from hflow.foundation.params import load_params
from hflow.model.store import load_model
from hflow.presets import preset_names, preset_text
from hflow.registry.serving import save_translator
from hflow.segmentation.judge import Judge, load_judge, save_judge
from hflow.segmentation.networks import segmentation_network
from hflow.translation.shard_worker import decode_row
from tests.fuzz.mutations import edited_text, json_values, mutated
from tests.models import write_model
from tests.pictures import random_picture, street_ids

__all__ = ["Target", "targets"]

MOST_PIXELS = 1 << 20
"""Of the images here; a limit is what keeps the memory bounded."""

Target = tuple[st.SearchStrategy[Any], Callable[[Any], None]]
"""What is given, and what is done with it."""


def _named(read: Callable[..., Any], *given: Any, **options: Any) -> Any:
    """What `read` gives; None where it refuses in one line."""
    try:
        return read(*given, **options)
    except HflowError as error:
        said = str(error)
    assert said.strip(), "no reason is given"
    assert "\n" not in said, f"more than a line: {said}"
    return None


def _file(content: bytes, name: str = "file") -> Path:
    """A file of this content; the folder is the process's own, and each replaces the one before."""
    place = _folder() / name
    place.write_bytes(content)
    return place


@cache
def _folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="hflow-fuzz-"))


def _encoded() -> list[bytes]:
    """Images of every format and mode that is read, and a profile and an orientation with some."""
    picture, ids = Image.fromarray(random_picture(0)), Image.fromarray(street_ids(0))
    exif = Image.Exif()
    exif[0x0112] = 6
    kinds: list[tuple[Image.Image, str, dict[str, Any]]] = [
        (picture, "PNG", {"exif": exif}),
        (ids, "PNG", {}),
        (picture.quantize(8), "PNG", {}),
        (picture.convert("RGBA"), "PNG", {}),
        (Image.fromarray(street_ids(0).astype(np.uint16) * 200), "PNG", {}),
        (picture, "JPEG", {"exif": exif}),
        (picture.convert("CMYK"), "JPEG", {}),
        (picture, "JPEG", {"progressive": True}),
        (picture, "WEBP", {}),
        (picture, "WEBP", {"lossless": True}),
        (picture, "BMP", {}),
        (picture, "TIFF", {"exif": exif}),
        (picture, "TIFF", {"compression": "tiff_lzw"}),
        (ids, "TIFF", {"compression": "tiff_deflate"}),
    ]
    contents = []
    for image, kind, options in kinds:
        buffer = io.BytesIO()
        image.save(buffer, kind, **options)
        contents.append(buffer.getvalue())
    return contents


def read_image(content: bytes) -> None:
    for read in (open_image, open_rgb, read_ids):
        _named(read, content, max_pixels=MOST_PIXELS)
    _named(read_size, _file(content), max_pixels=MOST_PIXELS)


def _labels() -> list[bytes]:
    ids = street_ids(0)
    red = np.dstack([ids, ids * 0, ids * 0, ids * 0 + 255])
    return [encode_png(pixels) for pixels in (ids, ids_to_colours(ids), red)] + _encoded()[2:5]


def read_label(content: bytes) -> None:
    path = _file(content, "label.png")
    if _named(read_size, path, max_pixels=MOST_PIXELS):
        for read in (read_red, read_label_colours, gta.read_label, cityscapes.read_label):
            _named(read, path)


CLASSES = "7: road\nroad: {ids: [8], colours: [[1, 2, 3], [4, 5, 6]]}\nsky: {colours: [[7, 8, 9]]}\n"


def read_classes(text: str) -> None:
    _named(read_class_table, _file(text.encode(errors="surrogatepass"), "classes.yaml"))


def read_params(text: str) -> None:
    _named(load_params, _file(text.encode(errors="surrogatepass"), "params.yaml"))


def _row(number: int = 0) -> dict[str, Any]:
    ids = encode_png(street_ids(number))
    return dict.fromkeys(PREPARED_SCHEMA.names) | {
        "key": f"{number:05d}",
        "image": image_value(encode_png(random_picture(number)), "a.png"),
        "label": image_value(ids, "a.png"),
        "label_train_ids": image_value(ids, "a.png"),
        "width": 48,
        "height": 24,
    }


def _shard(rows: list[dict[str, Any]]) -> bytes:
    place = _folder() / "made.parquet"
    write_shard(place, rows, PREPARED_SCHEMA)
    return place.read_bytes()


def _compressed(rows: list[dict[str, Any]]) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows, schema=PREPARED_SCHEMA), buffer, compression="zstd")
    return buffer.getvalue()


def read_shard(content: bytes) -> None:
    path = _file(content, "shard-0.parquet")
    _named(count_rows, path, PREPARED_SCHEMA)
    _named(lambda: read_table(path).to_pylist())
    _named(lambda: [ShardSet([path])[number] for number in range(min(len(ShardSet([path])), 40))])
    if _named(count_rows, path, PREPARED_SCHEMA) is not None:
        for row in _named(lambda: list(read_rows(path))) or []:
            _named(decode_row, row)


_bytes = st.none() | st.binary(max_size=40) | mutated([encode_png(random_picture(0)), encode_png(street_ids(0))])
_image = st.none() | st.fixed_dictionaries({"bytes": _bytes, "path": st.none() | st.text(max_size=9)})
_number = st.none() | st.sampled_from([0, -1, 24, 48, 2**31 - 1, -(2**31)])
hostile_rows = st.fixed_dictionaries(
    {
        "key": st.none() | st.text(max_size=20) | st.sampled_from(["a/../b", "/", ".", "a//b", "a" * 300]),
        "image": _image | st.just(_row()["image"]),
        "label": _image,
        "label_train_ids": _image,
        "width": _number,
        "height": _number,
    }
)


def read_row(changes: dict[str, Any]) -> None:
    _named(decode_row, _row() | changes)


def read_description(content: bytes) -> None:
    _named(read_training_set, _file(content, "set.json"))


def _manifest() -> bytes:
    row = {"key": "a", "split": "train", "status": "translated", "reason": "", "width": 48, "height": 24}
    buffer = io.BytesIO()
    with ManifestWriter(buffer, ["road", "sky"]) as manifest:
        manifest.write([row])
    return buffer.getvalue()


def read_manifest_of(content: bytes) -> None:
    _named(read_manifest, _file(content, "manifest.parquet"))
    _named(read_manifest, _file(content, "manifest.parquet"), fill=True)


@cache
def _model() -> Path:
    return write_model(_folder() / "model")


@cache
def _judge() -> Path:
    name, folder = "lraspp_mobilenet_v3_large", _folder() / "judge"
    save_judge(Judge(segmentation_network(name, 2), name, ("road", "sky")), folder)
    return folder


def _changed_folder(folder: Path) -> st.SearchStrategy[dict[str, bytes]]:
    """A folder's files, of which one is mutated, or the values of its JSON file are others."""
    files = {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
    (config,) = (name for name in files if name.endswith(".json"))
    values = json.loads(files[config])
    one = st.sampled_from(sorted(files)).flatmap(
        lambda name: mutated([files[name]]).map(lambda new: files | {name: new})
    )
    told = st.dictionaries(st.sampled_from(sorted(values)), json_values | st.lists(st.integers(), max_size=4))
    return one | told.map(lambda new: files | {config: json.dumps(values | new).encode()})


def _read_folder(read: Callable[[Path], Any], files: Mapping[str, bytes]) -> None:
    place = _folder() / "given"
    place.mkdir(exist_ok=True)
    for name, content in files.items():
        (place / name).write_bytes(content)
    _named(read, place)


def read_model(files: Mapping[str, bytes]) -> None:
    _read_folder(load_model, files)


def read_judge(files: Mapping[str, bytes]) -> None:
    _read_folder(load_judge, files)


@cache
def _served() -> mlflow.pyfunc.PyFuncModel:
    saved = _folder() / "saved"
    save_translator(_model(), saved)
    return mlflow.pyfunc.load_model(str(saved), model_config={"device": "cpu", "max_pixels": MOST_PIXELS})


_encoded_texts = mutated(_encoded()[:6]).map(lambda content: base64.b64encode(content).decode())
_frames = st.lists(
    st.lists(st.lists(st.integers(0, 255), min_size=3, max_size=3), min_size=16, max_size=17), max_size=17
)
_inputs = json_values | _encoded_texts | st.lists(_encoded_texts | json_values, max_size=3) | _frames
payloads = (
    st.dictionaries(
        st.sampled_from(["inputs", "instances", "dataframe_split", "dataframe_records", "params"]),
        _inputs
        | st.fixed_dictionaries({"image": _inputs})
        | st.lists(st.fixed_dictionaries({"image": _inputs}), max_size=3)
        | st.fixed_dictionaries(
            {"columns": st.just(["image"]), "data": st.lists(st.lists(_inputs, max_size=1), max_size=2)}
        ),
        max_size=2,
    )
    | json_values
)


def ask_served_model(body: Any) -> None:
    """As MLflow's server answers a request: with what the model gives, or status 400."""
    model = _served()
    schema = model.metadata.get_input_schema()
    try:
        status = scoring_server.invocations(json.dumps(body), "application/json", model, schema).status
    except MlflowException as error:
        status = error.get_http_status_code()
    assert status in (200, 400), status


@cache
def targets() -> dict[str, Target]:
    """Every target, by its name."""
    presets = [preset_text(name) for name in preset_names()]
    description = json.dumps(
        {"name": "source", "shards": [{"path": "a/b.parquet", "sha256": "0" * 64}], "made_from": {}}
    ).encode()
    rows = [_row(number) for number in range(3)]
    return {
        "images": (mutated(_encoded()) | st.binary(max_size=60), read_image),
        "labels": (mutated(_labels()), read_label),
        "classes": (edited_text([CLASSES]) | st.text(max_size=40), read_classes),
        "params": (edited_text(presets) | st.text(max_size=40), read_params),
        "shards": (mutated([_shard(rows), _compressed(rows)]), read_shard),
        "rows": (hostile_rows, read_row),
        "descriptions": (mutated([description]) | json_values.map(lambda v: json.dumps(v).encode()), read_description),
        "manifests": (mutated([_manifest()]), read_manifest_of),
        "models": (_changed_folder(_model()), read_model),
        "judges": (_changed_folder(_judge()), read_judge),
        "payloads": (payloads, ask_served_model),
    }
